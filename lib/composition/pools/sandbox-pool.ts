import { mergeMap, type Observable, type ObservableInput } from 'rxjs';
import { startOperation, type OperationRef } from '../../process/operation-ref.js';
import { checkRecord, requireFunction } from '../../process/validate.js';
import type { SandboxClient } from '../../sandbox/sandbox-client.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { PoolKeeper } from './pool-keeper.js';
import { poolPlanOf, type SandboxPoolOptions, type SandboxPoolState } from './pool-options.js';
import { leased, type SandboxLease } from './sandbox-lease.js';

/**
 * Sandboxes that are ready before they are needed. It makes `min` of them at once, more up to `max` when somebody waits, and
 * deletes those that nobody has needed for a while. Who waits longest is served first.
 *
 * A sandbox is leased to one at a time, and handed on as it is: with its files, and what was left running in the background.
 * Where that is not wanted, `maxLeases: 1` gives each a fresh one that was made before. A sandbox that ends by itself is
 * replaced, and its lease fails with a {@link SandboxError} of code `ERR_SANDBOX_OVER`.
 *
 * @example
 * ```ts
 * import { runAll, SandboxClient, SandboxPool, toSummary } from 'sandbox-rx';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * await using pool = new SandboxPool(new SandboxClient(localBackend()), { min: 2, max: 8 });
 * const commands = Array.from({ length: 1000 }, (_, n) => ['factor', String(n)]);
 * await runAll(commands, { pool }).pipe(toSummary()).forEach(console.log);
 * ```
 */
export class SandboxPool {
  readonly #keeper: PoolKeeper;

  /** @throws {@link SandboxValidationError} at once, for bad options. */
  constructor(client: SandboxClient, options: SandboxPoolOptions = {}) {
    checkRecord('client', client);
    this.#keeper = new PoolKeeper(client, poolPlanOf(options));
  }

  /** The tag that all of its sandboxes have, by which `client.list` finds them. */
  get tag(): string {
    return this.#keeper.tag;
  }

  /**
   * How the pool stands now, and each change; completes when it is closed.
   *
   * ```text
   * state$   a--b--c--(d|)     a = { starting: 1 }, b = { idle: 1 }, c = { leased: 1 }, d = { status: 'closed' }
   * ```
   */
  get state$(): Observable<SandboxPoolState> {
    return this.#keeper.state$;
  }

  /**
   * Leases a sandbox, as soon as it is one's turn. Cancelling before that gives up one's place.
   *
   * @throws the error of the creation through the operation, where the sandbox could not be made.
   * @throws {@link CancelledError} through the operation, when the pool is closed.
   */
  acquire(): OperationRef<SandboxLease> {
    return startOperation(this.#keeper.lease$);
  }

  /**
   * A sandbox of the pool for each subscription: leased when it is one's turn, given back before completion or error and on
   * unsubscribing. What unsubscribing kills may take its `killGraceMs` to end.
   *
   * ```text
   * project       --a--b--|
   * withSandbox   ----a--b--|      leased before, given back after
   * it ends       ----a--#         ERR_SANDBOX_OVER
   * ```
   *
   * @throws {@link SandboxValidationError} at once, for what is no function.
   *
   * @example
   * ```ts
   * import type { SandboxPool } from 'sandbox-rx';
   *
   * declare const pool: SandboxPool;
   * pool.withSandbox((sandbox) => sandbox.run$(['id'])).subscribe(({ stdout }) => console.log(stdout));
   * ```
   */
  withSandbox<T>(project: (sandbox: Sandbox) => ObservableInput<T>): Observable<T> {
    requireFunction('project', project);
    return this.#keeper.lease$.pipe(mergeMap((lease) => leased(lease, project)));
  }

  /**
   * Deletes all sandboxes, also those that are leased, and settles when nothing is left. Who waits, or has a lease, is told by
   * a {@link CancelledError}.
   *
   * @throws the error through the operation, where a sandbox could not be deleted.
   */
  close(): OperationRef<void> {
    return startOperation(this.#keeper.close());
  }

  /** Closes the pool at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
