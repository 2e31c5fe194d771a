import { asyncScheduler, Subscription, type SchedulerLike } from 'rxjs';
import { schedulerOf } from '../../process/scheduler-of.js';

/**
 * `asyncScheduler`, and so virtual time within `TestScheduler.run`, but that work without a delay waits no longer than for the
 * next turn of the event loop, where the runtime has a word for it (Node has). `asyncScheduler` alone waits a millisecond:
 * that would be the speed of a program that is paused often.
 */
export const turnScheduler: SchedulerLike = schedulerOf((work, delayMs) =>
  delayMs > 0 ? asyncScheduler.schedule(work, delayMs) : nextTurn(work),
);

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
