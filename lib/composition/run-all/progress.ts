import type { SchedulerLike } from 'rxjs';
import type { RunAllProgress } from './run-all-event.js';

/** Counts what happens to many commands. */
export class Progress {
  taken = 0;
  finished = 0;
  failed = 0;
  retried = 0;
  readonly #scheduler: SchedulerLike;
  readonly #startedAt: number;

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
    this.#startedAt = scheduler.now();
  }

  /** How things stand; `left` is how many more the source will give. */
  now(left: number | undefined): RunAllProgress {
    const { taken, finished, failed, retried } = this;
    const over = finished + failed;
    const elapsedMs = this.#scheduler.now() - this.#startedAt;
    const total = left === undefined ? undefined : taken + left;
    const remainingMs =
      total === undefined || over === 0 ? undefined : (elapsedMs / over) * (total - over);
    return { total, running: taken - over, finished, failed, retried, elapsedMs, remainingMs };
  }
}
