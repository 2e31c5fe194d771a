import { defer, takeUntil, tap, type Observable, type ObservableInput } from 'rxjs';
import { ConnectionLostError, SandboxNotFoundError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { Settlement } from '../../process/settlement.js';
import type { Sandbox } from '../../sandbox/sandbox.js';

/**
 * A sandbox of a pool for as long as it is needed. Nobody else has it meanwhile; it is as the one before left it.
 *
 * @example
 * ```ts
 * import type { SandboxPool } from 'sandbox-rx';
 *
 * declare const pool: SandboxPool;
 * using lease = await pool.acquire();
 * console.log((await lease.sandbox.exec(['id', '-u'])).stdout);
 * ```
 */
export class SandboxLease {
  /** The sandbox. Do not delete it: `discard` does. */
  readonly sandbox: Sandbox;
  readonly #end: (isBroken: boolean) => void;
  readonly #lost: Settlement<never> = new Settlement();
  #isOver = false;

  /** @internal */
  constructor(sandbox: Sandbox, end: (isBroken: boolean) => void) {
    this.sandbox = sandbox;
    this.#end = end;
  }

  /**
   * Errors when the sandbox is gone while it is leased: with code `ERR_SANDBOX_OVER` when it has ended, with a `CancelledError`
   * when the pool is closed. Never emits.
   */
  get lost$(): Observable<never> {
    return this.#lost.value$;
  }

  /** Gives the sandbox back, for the next who waits. Done once, however often it is called. */
  release(): void {
    this.#over(false);
  }

  /** Gives it back to be deleted: whatever was done in it, nobody else will get it. */
  discard(): void {
    this.#over(true);
  }

  /** At the end of a `using` block: `release`. */
  [Symbol.dispose](): void {
    this.release();
  }

  /** @internal The sandbox is gone. */
  lose(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lost.settle({ ok: false, error });
  }

  #over(isBroken: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(isBroken);
  }
}

/** What `project` makes of a leased sandbox, which is given back before completion or error and on unsubscribing. */
export function leased<T>(
  lease: SandboxLease,
  project: (sandbox: Sandbox) => ObservableInput<T>,
): Observable<T> {
  const release = (): void => {
    lease.release();
  };
  return defer(() => project(lease.sandbox)).pipe(
    tap({
      complete: release,
      error: (error: unknown) => {
        if (isLost(error)) lease.discard();
        else release();
      },
      unsubscribe: release,
    }),
    takeUntil(lease.lost$),
  );
}

/** Whether nobody should get the sandbox after this: it is gone, or something of which nothing is known may go on in it. */
function isLost(error: unknown): boolean {
  if (error instanceof ConnectionLostError || error instanceof SandboxNotFoundError) return true;
  return error instanceof SandboxError && error.code === 'ERR_SANDBOX_OVER';
}
