import {
  animationFrameScheduler,
  asyncScheduler,
  Subscription,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import { checkInteger, checkRecord, checkScheduler, maxTimerMs } from '../process/validate.js';
import { staged } from './staged.js';

/** Options for {@link coalesce}. */
export interface CoalesceConfig {
  /**
   * Emit a batch at most once in this time. Default: once per animation frame, or 16 ms where there are none or a
   * `scheduler` is given.
   */
  readonly periodMs?: number;
  /** Where the time comes from. Default: animation frames, or `asyncScheduler` with `periodMs` or without frames. */
  readonly scheduler?: SchedulerLike;
}

const frameMs = 16;

/**
 * Gathers values and emits them as one batch per animation frame or period, so that a flood of output changes a page
 * once per frame. Nothing is scheduled while nothing comes, and the last batch is emitted before completion or error.
 *
 * ```text
 * source                     -a-b-c------d-|      periodMs: 4 frames
 * coalesce({ periodMs: 4 })  -----x--------(y|)   x = [a, b, c], y = [d]
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for bad options.
 *
 * @example
 * ```ts
 * import { coalesce, lines, type Process } from 'sandbox-rx';
 *
 * declare const process: Process;
 * declare function append(lines: readonly string[]): void;
 * process.stdout$.pipe(lines(), coalesce()).subscribe(append);
 * ```
 */
export function coalesce<T>(config: CoalesceConfig = {}): OperatorFunction<T, T[]> {
  checkRecord('config', config);
  const { periodMs, scheduler: given } = config;
  checkInteger('periodMs', periodMs, { min: 1, max: maxTimerMs });
  checkScheduler('scheduler', given);
  const byFrame =
    periodMs === undefined &&
    given === undefined &&
    typeof globalThis.requestAnimationFrame === 'function';
  const scheduler = given ?? (byFrame ? animationFrameScheduler : asyncScheduler);
  const delay = byFrame ? 0 : (periodMs ?? frameMs);
  return staged((subscriber) => {
    let batch: T[] = [];
    let scheduled: Subscription | undefined;
    const flush = (): void => {
      scheduled?.unsubscribe();
      scheduled = undefined;
      const full = batch;
      batch = [];
      if (full.length > 0) subscriber.next(full);
    };
    subscriber.add(() => scheduled?.unsubscribe());
    return {
      next: (value) => {
        batch.push(value);
        if (scheduled !== undefined) return;
        // Known before the scheduler is, so that one that flushes at once leaves nothing scheduled.
        const waiting = new Subscription();
        scheduled = waiting;
        waiting.add(scheduler.schedule(flush, delay));
      },
      flush,
    };
  });
}
