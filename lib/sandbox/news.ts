import { AsyncSubject, Observable, Subject } from 'rxjs';
import { LiveMap } from '../process/live-map.js';
import { Turns } from '../process/turns.js';

/** Something that changes, and is told of by its id. */
interface Known {
  readonly id: string;
}

/** What who watches wants to know. */
export interface Watching<Info> {
  /** Those of interest. Default: all. */
  readonly isWanted?: (info: Info) => boolean;
  /** To be told when those there are have been told. */
  readonly listed?: (() => void) | undefined;
}

/** How things of one kind change, told to all who watch them in the same order. */
export class News<Info extends Known> {
  readonly #isLast: (info: Info) => boolean;
  /** How those that watch were told that each stands. */
  readonly #told: LiveMap<string, Info> = new LiveMap();
  readonly #changes: Subject<Info> = new Subject();
  readonly #whole: AsyncSubject<never> = new AsyncSubject();
  readonly #turns = new Turns();

  /** `isLast` says of what nothing more will be told. */
  constructor(isLast: (info: Info) => boolean) {
    this.#isLast = isLast;
  }

  /** Each that there is, as it was last told. */
  get told(): readonly Info[] {
    return this.#told.values();
  }

  /** One of them. */
  get(id: string): Info | undefined {
    return this.#told.get(id);
  }

  tell(info: Info): void {
    this.#turns.give(info, this);
  }

  /** All that there were have been told: what is told from now on are changes. */
  listed(): void {
    this.#turns.take(() => {
      this.#whole.complete();
    });
  }

  /** Nothing more can be told. */
  fail(error: unknown): void {
    this.#changes.error(error);
  }

  /** Nothing more will happen. */
  complete(): void {
    this.#turns.take(() => {
      this.#changes.complete();
    });
  }

  /** Those there are, then each change; one that is no longer wanted is told once more, so that it can be removed. */
  watch({ isWanted = () => true, listed }: Watching<Info> = {}): Observable<Info> {
    return new Observable((subscriber) => {
      const turns = new Turns();
      const wanted: Set<string> = new Set();
      const tell = (info: Info): void => {
        if (isWanted(info)) wanted.add(info.id);
        else if (!wanted.delete(info.id)) return;
        subscriber.next(info);
        if (this.#isLast(info)) wanted.delete(info.id);
      };
      // A change that is made while the list is told waits for its end.
      turns.take(() => {
        if (listed !== undefined)
          subscriber.add(
            this.#whole.subscribe({ error: ignore, complete: () => turns.take(listed) }),
          );
        subscriber.add(
          this.#changes.subscribe({
            next: (info) => {
              turns.give(info, { take: tell });
            },
            error: (error: unknown) => {
              subscriber.error(error);
            },
            complete: () => {
              turns.take(() => {
                subscriber.complete();
              });
            },
          }),
        );
        for (const info of this.told) tell(info);
      });
    });
  }

  /** A change that a watcher makes is told when every other watcher knows the one before. */
  take(info: Info): void {
    if (this.#isLast(info)) this.#told.delete(info.id);
    else this.#told.set(info.id, info);
    this.#changes.next(info);
  }
}

function ignore(): void {
  // It only completes.
}
