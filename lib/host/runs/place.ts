import { BehaviorSubject, Subscription, timer, type Observable } from 'rxjs';
import type {
  ExitEvent,
  OutputEvent,
  OutputStream,
  ProcessEvent,
} from '../../process/process-event.js';
import type { Observing } from '../../sandbox/observed-run.js';
import { Queue } from '../../process/queue.js';

/** So much output may be unconfirmed before the run has to wait, in bytes. */
const maxUnconfirmedBytes = 4_194_304;
/** What a piece costs beside its bytes. */
const overheadBytes = 64;

/** Positions in both streams. */
export type Offsets = Partial<Record<OutputStream, number>>;

/** How a run ended. */
export type RunOver = ExitEvent | { readonly type: 'failed'; readonly error: unknown };

/** The call on which an observer is told now. */
export interface Viewer {
  ready(): void;
  output(event: OutputEvent): void;
  /** `ends`: where the output ended, also what was left out. */
  over(end: RunOver, ends: Readonly<Record<OutputStream, number>>): void;
  /** Another call has taken its place. */
  replaced(): void;
}

/** What a place needs to know. */
export interface PlaceConfig {
  /** The run, for somebody who observes it as said. */
  readonly observe: (how: Observing) => Observable<ProcessEvent>;
  readonly from: Offsets;
  /** Whether the run waits when too much is not confirmed. Otherwise what comes then is left out. */
  readonly holdsUp: boolean;
  /** How long it is kept for an observer whose call breaks now, in milliseconds. */
  readonly graceMs: () => number;
  /** It is given up: told once. */
  readonly left: () => void;
}

/**
 * The place of one observer of a run: what has been told and is not confirmed is kept, so that after a break it can be
 * told again. When that is too much, the run waits, which is how a slow observer is bounded too.
 */
export class Place {
  readonly #graceMs: () => number;
  readonly #left: () => void;
  readonly #holdsUp: boolean;
  readonly #kept: Queue<OutputEvent> = new Queue();
  #keptBytes = 0;
  /** Where the output ends that came, also what was left out. */
  readonly #ends: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #paused = new BehaviorSubject(false);
  readonly #observing: Subscription = new Subscription();
  #isRunning = false;
  #over: RunOver | undefined;
  #viewer: Viewer | undefined;
  #waiting: Subscription | undefined;
  #isLeft = false;

  /** Observes from now on; nobody is told before there is a viewer, who has to come within the grace. */
  constructor({ observe, from, holdsUp, graceMs, left }: PlaceConfig) {
    this.#graceMs = graceMs;
    this.#left = left;
    this.#holdsUp = holdsUp;
    const lifecycle = {
      started: (): void => {
        this.#ready();
      },
    };
    this.#wait();
    this.#observing.add(
      observe({ from, lifecycle, paused$: this.#paused }).subscribe({
        next: (event) => {
          this.#tell(event);
        },
        error: (error: unknown) => {
          this.#end({ type: 'failed', error });
        },
      }),
    );
  }

  /** A call that is to be told: what it has not received yet, and what comes. */
  enter(viewer: Viewer, received: Offsets): void {
    this.#viewer?.replaced();
    this.#viewer = viewer;
    this.#waiting?.unsubscribe();
    this.confirm(received);
    if (this.#isRunning) viewer.ready();
    for (let index = 0; index < this.#kept.length; index++) {
      const event = this.#kept.at(index);
      if (event !== undefined) viewer.output(notBefore(event, received[event.type] ?? 0));
    }
    if (this.#over !== undefined) this.#tellEnd(viewer, this.#over);
  }

  /** Output up to here has been received: it is not needed any more. */
  confirm(received: Offsets): void {
    for (let first = this.#kept.at(0); first !== undefined; first = this.#kept.at(0)) {
      const { type, offset, data } = first;
      if (offset + data.length > (received[type] ?? 0)) break;
      this.#kept.shift();
      this.#keptBytes -= data.length + overheadBytes;
    }
    this.#pause();
  }

  /** The viewer's call broke: it may come back. */
  lost(viewer: Viewer): void {
    if (this.#viewer !== viewer) return;
    this.#viewer = undefined;
    this.#wait();
  }

  /** Gives it up where nobody is told now: there is nothing to come back to. */
  leaveUnlessViewed(): void {
    if (this.#viewer === undefined) this.leave();
  }

  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#waiting?.unsubscribe();
    this.#observing.unsubscribe();
    this.#kept.clear();
    this.#left();
  }

  #wait(): void {
    if (this.#isLeft) return;
    this.#waiting = timer(this.#graceMs()).subscribe({
      next: () => {
        this.leave();
      },
      error: ignore,
    });
  }

  #ready(): void {
    this.#isRunning = true;
    this.#viewer?.ready();
  }

  #tell(event: ProcessEvent): void {
    if (event.type === 'exit') {
      this.#end(event);
      return;
    }
    this.#ends[event.type] = event.offset + event.data.length;
    if (this.#isFull && !this.#holdsUp) return;
    this.#kept.push(event);
    this.#keptBytes += event.data.length + overheadBytes;
    this.#pause();
    this.#viewer?.output(event);
  }

  #end(over: RunOver): void {
    if (this.#over !== undefined) return;
    this.#over = over;
    if (this.#viewer !== undefined) this.#tellEnd(this.#viewer, over);
  }

  #tellEnd(viewer: Viewer, over: RunOver): void {
    viewer.over(over, this.#ends);
    // It is told the same when it asks again: that there is no such run, or how it failed.
    if (over.type === 'failed' && !this.#isRunning) this.leave();
  }

  get #isFull(): boolean {
    return this.#keptBytes >= maxUnconfirmedBytes;
  }

  #pause(): void {
    const isPaused = this.#isFull && this.#holdsUp;
    if (isPaused !== this.#paused.value) this.#paused.next(isPaused);
  }
}

/** The part of an event that begins here. */
function notBefore(event: OutputEvent, from: number): OutputEvent {
  const { type, data, offset } = event;
  if (offset >= from) return event;
  return { type, data: data.subarray(from - offset), offset: from };
}

function ignore(): void {
  // A timer does not fail.
}
