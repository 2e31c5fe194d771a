import { Observable, Subject } from 'rxjs';
import { Turns } from '../process/turns.js';
import { matches, type SandboxFilter, type SandboxInfo } from './sandbox-spec.js';

/** How sandboxes change, told to all who watch them in the same order. */
export class SandboxNews {
  /** How those that watch were told that each sandbox stands. */
  readonly #told: Map<string, SandboxInfo> = new Map();
  readonly #changes: Subject<SandboxInfo> = new Subject();
  readonly #turns = new Turns();

  /** Each sandbox there is, as it was last told. */
  get told(): ReadonlyMap<string, SandboxInfo> {
    return this.#told;
  }

  tell(info: SandboxInfo): void {
    this.#turns.give(info, this);
  }

  /** Nothing more can be told. */
  fail(error: unknown): void {
    this.#changes.error(error);
  }

  /** Those there are, then each change; one that no longer matches is told once more, so that it can be removed. */
  watch(wanted: SandboxFilter): Observable<SandboxInfo> {
    return new Observable((subscriber) => {
      const turns = new Turns();
      const matching: Set<string> = new Set();
      const tell = (info: SandboxInfo): void => {
        if (matches(info, wanted)) matching.add(info.id);
        else if (!matching.delete(info.id)) return;
        subscriber.next(info);
        if (info.status === 'deleted') matching.delete(info.id);
      };
      // A change that is made while the list is told waits for its end.
      turns.take(() => {
        subscriber.add(
          this.#changes.subscribe({
            next: (info) => {
              turns.give(info, { take: tell });
            },
            error: (error: unknown) => {
              subscriber.error(error);
            },
          }),
        );
        for (const info of [...this.#told.values()]) tell(info);
      });
    });
  }

  /** A change that a watcher makes is told when every other watcher knows the one before. */
  take(info: SandboxInfo): void {
    if (info.status === 'deleted') this.#told.delete(info.id);
    else this.#told.set(info.id, info);
    this.#changes.next(info);
  }
}
