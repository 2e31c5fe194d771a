import { asyncScheduler, Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** The time of `asyncScheduler`, which is waited for in another way: `wait` gives what ends the wait. */
export function schedulerOf(
  wait: (work: () => void, delayMs: number) => Subscription,
): SchedulerLike {
  class Action<T> extends Subscription implements SchedulerAction<T> {
    readonly #work: Work<T>;
    #waiting: Subscription | undefined;

    constructor(work: Work<T>) {
      super(() => {
        this.#waiting?.unsubscribe();
      });
      this.#work = work;
    }

    schedule(state?: T, delayMs = 0): Subscription {
      this.#waiting?.unsubscribe();
      this.#waiting = wait(() => {
        this.#work.call(this, state);
      }, delayMs);
      return this;
    }
  }
  return {
    now: () => asyncScheduler.now(),
    schedule: <T>(work: Work<T>, delayMs = 0, state?: T): Subscription =>
      new Action(work).schedule(state, delayMs),
  };
}
