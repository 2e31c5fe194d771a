import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** Real time, whose timers do not keep the program going. */
export const unheldScheduler: SchedulerLike = {
  now: () => Date.now(),
  schedule: <T>(work: Work<T>, delayMs = 0, state?: T): Subscription =>
    new UnheldAction(work).schedule(state, delayMs),
};

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

class UnheldAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #work: Work<T>;
  #timer: NodeJS.Timeout | undefined;

  constructor(work: Work<T>) {
    super(() => {
      clearTimeout(this.#timer);
    });
    this.#work = work;
  }

  schedule(state?: T, delayMs = 0): Subscription {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#work.call(this, state);
    }, delayMs).unref();
    return this;
  }
}
