import {
  defer,
  EMPTY,
  expand,
  filter,
  mergeMap,
  retry,
  take,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';

/** Delays from one question to the next in milliseconds: short at first, then as CoreWeave's clients wait. */
function* pollDelays(): Generator<number, never> {
  for (let ms = 20; ; ms = Math.min(ms * 1.5, 2000)) yield ms;
}

/** A server that says nothing for so long when it is asked how something stands is asked again. */
export const pollTimeoutMs = 15_000;

/** Asks, by subscribing to `answer$`, until the answer is as it shall be; more and more seldom. */
export function polled<T>(answer$: Observable<T>, isWanted: (answer: T) => boolean): Observable<T> {
  return defer(() => {
    const delays = pollDelays();
    return answer$.pipe(
      expand((answer) =>
        isWanted(answer) ? EMPTY : timer(delays.next().value).pipe(mergeMap(() => answer$)),
      ),
      filter(isWanted),
      take(1),
    );
  });
}

/** The least and most that is waited for a server that cannot be reached, and the most that it may ask for. */
const backoffMs = { least: 200, most: 2000, asked: 10_000 };

/**
 * Asks again what may succeed when it is asked again, for `budgetMs` from the first failure on. A delay that the server
 * names is kept; else it grows and is random, so that many clients do not come back at once.
 */
export function withRetryBudget<T>(
  source: Observable<T>,
  budgetMs: number,
  isRepeated: (error: SandboxError) => boolean = ({ retryable }) => retryable,
): Observable<T> {
  return defer(() => {
    let failedAt: number | undefined;
    let previous = backoffMs.least;
    return source.pipe(
      retry({
        resetOnSuccess: true,
        delay: (error: unknown, count) => {
          if (count === 1) [failedAt, previous] = [Date.now(), backoffMs.least];
          const left = budgetMs - (Date.now() - (failedAt ?? 0));
          if (!(error instanceof SandboxError) || !isRepeated(error) || left <= 0) {
            return throwError(() => error);
          }
          const hint = error.remote?.retryDelayMs ?? 0;
          const upTo = Math.max(backoffMs.least, Math.min(backoffMs.most, previous * 1.5, left));
          previous = backoffMs.least + Math.random() * (upTo - backoffMs.least);
          return timer(hint > 0 ? Math.min(hint, backoffMs.asked, left) : previous);
        },
      }),
    );
  });
}
