import { Subscription, type SchedulerLike } from 'rxjs';
import { schedulerOf } from '../../../process/scheduler-of.js';

/** Real time, whose timers do not keep the program going. */
export const unheldScheduler: SchedulerLike = schedulerOf((work, delayMs) => {
  const timer = setTimeout(work, delayMs).unref();
  return new Subscription(() => {
    clearTimeout(timer);
  });
});
