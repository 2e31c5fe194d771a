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

/** In the next turn, unless time is virtual. */
function nextTurn(work: () => void): Subscription {
  const runtime: object = globalThis;
  if (!hasTurns(runtime) || isVirtual()) return asyncScheduler.schedule(work);
  const handle = runtime.setImmediate(work);
  return new Subscription(() => {
    runtime.clearImmediate(handle);
  });
}

/** Within `TestScheduler.run`, where time begins at 0. */
function isVirtual(): boolean {
  return Math.abs(Date.now() - asyncScheduler.now()) > 60_000;
}
