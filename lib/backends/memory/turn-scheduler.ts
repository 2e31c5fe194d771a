import { asyncScheduler, Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/**
 * `asyncScheduler`, and so virtual time within `TestScheduler.run`, but that work without a delay waits no longer than for the
 * next turn of the event loop, where the runtime has a word for it (Node has). `asyncScheduler` alone waits a millisecond:
 * that would be the speed of a program that is paused often.
 */
export const turnScheduler: SchedulerLike = {
  now: () => asyncScheduler.now(),
  schedule: <T>(work: Work<T>, delayMs = 0, state?: T): Subscription =>
    new TurnAction(work).schedule(state, delayMs),
};

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

class TurnAction<T> extends Subscription implements SchedulerAction<T> {
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
    const work = (): void => {
      this.#work.call(this, state);
    };
    this.#waiting = delayMs > 0 ? asyncScheduler.schedule(work, delayMs) : nextTurn(work);
    return this;
  }
}

interface WithTurns {
  setImmediate(work: () => void): unknown;
  clearImmediate(handle: unknown): void;
}

function hasTurns(scope: object): scope is WithTurns {
  return 'setImmediate' in scope && 'clearImmediate' in scope;
}

/** In the next turn, unless time is virtual: then at once, as far as that time is concerned. */
function nextTurn(work: () => void): Subscription {
  const both = new Subscription();
  const once = (): void => {
    both.unsubscribe();
    work();
  };
  both.add(asyncScheduler.schedule(once));
  const runtime: object = globalThis;
  if (!hasTurns(runtime)) return both;
  const handle = runtime.setImmediate(once);
  both.add(() => {
    runtime.clearImmediate(handle);
  });
  return both;
}
