import type { Observable } from 'rxjs';
import { CancelledError, TimeoutError } from './errors/errors.js';
import { interop } from './interop.js';
import { Settlement, type Outcome } from './settlement.js';
import { checkInteger, checkRecord, checkSignal, maxTimerMs } from './validate.js';
import { whenAborted } from './when-aborted.js';

/** How long to wait. A wait that is given up does not touch what it waits for. */
export interface WaitOptions {
  /** Give up with a {@link TimeoutError} after this many milliseconds. Default: wait for ever. */
  readonly timeoutMs?: number;
  /** Give up with a {@link CancelledError} when this is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * A handle on something that has been started and will give one value.
 *
 * It can be awaited, waited for with a time limit, observed (`from(ref)`, `mergeMap(() => ref)`) and cancelled.
 * An operation that fails while nobody waits raises no unhandled rejection.
 *
 * @example
 * ```ts
 * import type { SandboxClient } from 'sandbox-rx';
 *
 * declare const client: SandboxClient;
 * const creating = client.create({ tags: ['demo'] });
 * const sandbox = await creating.result({ timeoutMs: 30_000 });
 * ```
 */
export class OperationRef<T> implements PromiseLike<T> {
  readonly #settlement: Settlement<T>;
  readonly #cancel: () => void;

  /** @internal */
  constructor(settlement: Settlement<T>, cancel: () => void) {
    this.#settlement = settlement;
    this.#cancel = cancel;
  }

  /** The one value, replayed to late subscribers. Unsubscribing does not cancel the operation. */
  get result$(): Observable<T> {
    return this.#settlement.value$;
  }

  /**
   * Waits for the value.
   *
   * @param timeout - Milliseconds, or {@link WaitOptions}. Default: no limit.
   * @throws {@link TimeoutError} (rejection) when the time is up; the operation goes on.
   * @throws {@link CancelledError} (rejection) after `cancel()`, or when `signal` is aborted.
   * @throws {@link SandboxValidationError} (rejection) when `timeout` is not a whole number of milliseconds.
   */
  result(timeout?: number | WaitOptions): Promise<T> {
    return waitFor(this.#settlement.value$, timeout);
  }

  /** Ends the operation. `true` when this call ended it, `false` when it was already over. */
  cancel(): boolean {
    const ended = this.#settlement.settle({ ok: false, error: new CancelledError() });
    if (ended) this.#cancel();
    return ended;
  }

  /** Makes the handle awaitable: the same as `result()`. */
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then(onFulfilled, onRejected);
  }
}

Object.defineProperty(OperationRef.prototype, interop, {
  configurable: true,
  value(this: OperationRef<unknown>) {
    return this.result$;
  },
});

/**
 * Subscribes to `source` now and hands over its last value as an {@link OperationRef}; `empty` is the value of a source
 * that only completes.
 */
export function startOperation<T>(source: Observable<T>, ...empty: [] | [T]): OperationRef<T> {
  const settlement: Settlement<T> = new Settlement();
  let last: Outcome<T> | undefined = empty.length === 1 ? { ok: true, value: empty[0] } : undefined;
  const subscription = source.subscribe({
    next: (value) => {
      last = { ok: true, value };
    },
    error: (error: unknown) => settlement.settle({ ok: false, error }),
    complete: () =>
      settlement.settle(
        last ?? { ok: false, error: new CancelledError('it ended without a value') },
      ),
  });
  return new OperationRef(settlement, () => {
    subscription.unsubscribe();
  });
}

/** The one value of `value$` as a Promise that can be given up. */
export async function waitFor<T>(
  value$: Observable<T>,
  timeout: number | WaitOptions = {},
): Promise<T> {
  const { timeoutMs, signal } = checkWait(timeout);
  return new Promise<T>((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopListening: (() => void) | undefined;
    const giveUp = (error: Error): void => {
      release();
      reject(error);
    };
    const onAbort = (): void => {
      giveUp(new CancelledError('the wait was aborted', { cause: signal?.reason }));
    };
    const subscription = value$.subscribe({ next: resolve, error: reject });
    const release = (): void => {
      clearTimeout(timer);
      stopListening?.();
      subscription.unsubscribe();
    };
    if (subscription.closed) return;
    subscription.add(release);
    if (signal?.aborted) {
      onAbort();
      return;
    }
    if (signal !== undefined) stopListening = whenAborted(signal, onAbort);
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        giveUp(new TimeoutError(timeoutMs));
      }, timeoutMs);
    }
  });
}

function checkWait(timeout: number | WaitOptions): WaitOptions {
  const options = typeof timeout === 'number' ? { timeoutMs: timeout } : timeout;
  checkRecord('timeout', options);
  checkInteger('timeoutMs', options.timeoutMs, { min: 0, max: maxTimerMs });
  checkSignal('signal', options.signal);
  return options;
}
