import { asyncScheduler, type SchedulerLike, type Subscription } from 'rxjs';

/** What a tunnel takes for time. */
export interface Clock {
  /** Default: `asyncScheduler`. */
  readonly scheduler: SchedulerLike;
  /** Does something when the present turn is over, so that what is sent in one turn goes out together. Default: `queueMicrotask`. */
  readonly defer: (work: () => void) => void;
}

/** What is chosen, and the rest as it is anywhere. */
export function clockOf({ scheduler = asyncScheduler, defer }: Partial<Clock>): Clock {
  // Not the function itself: a browser's wants to be called on its window.
  const inMicrotask = (work: () => void): void => {
    queueMicrotask(work);
  };
  return { scheduler, defer: defer ?? inMicrotask };
}

/** One thing to do at one time, unless it is put off or called off. */
export class Timer {
  readonly #scheduler: SchedulerLike;
  #scheduled: Subscription | undefined;

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  get isSet(): boolean {
    return this.#scheduled !== undefined;
  }

  set(delayMs: number, work: () => void): void {
    this.clear();
    this.#scheduled = this.#scheduler.schedule(() => {
      this.#scheduled = undefined;
      work();
    }, delayMs);
  }

  clear(): void {
    this.#scheduled?.unsubscribe();
    this.#scheduled = undefined;
  }
}
