import { map, toArray, type Observable, type ObservableInput } from 'rxjs';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { checkRecord, requireFunction, requireText } from '../process/validate.js';
import type { SandboxBackend } from './backend.js';
import { liveList } from './live-list.js';
import { Sandbox } from './sandbox.js';
import {
  checkFilter,
  checkSpec,
  isDeleted,
  type SandboxFilter,
  type SandboxInfo,
  type SandboxSpec,
} from './sandbox-spec.js';
import { Snapshots } from './snapshots.js';
import { withSandbox } from './with-sandbox.js';

/**
 * Makes and finds sandboxes on one backend.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const client = new SandboxClient(localBackend());
 * const sandbox = await client.create({ tags: ['demo'] });
 * console.log((await sandbox.exec(['id', '-u'])).stdout);
 * await sandbox.delete();
 * ```
 */
export class SandboxClient {
  /** Where the sandboxes run. */
  readonly backend: SandboxBackend;
  /** What was kept of the volumes of sandboxes. */
  readonly snapshots: Snapshots;
  #sandboxes$: Observable<readonly SandboxInfo[]> | undefined;

  /** @throws {@link SandboxValidationError} at once, for what is no backend. */
  constructor(backend: SandboxBackend) {
    checkRecord('backend', backend);
    this.backend = backend;
    this.snapshots = new Snapshots(backend.snapshots);
  }

  /**
   * Makes a sandbox; settles when it is running. Cancelling before that undoes it.
   *
   * @throws {@link SandboxValidationError} at once, for a bad spec.
   * @throws {@link SandboxNotFoundError} through the operation, for a `snapshotId` that there is not.
   * @throws {@link SandboxError} through the operation, with code `ERR_BACKEND_UNAVAILABLE`, when the backend lacks
   * something that has to be installed.
   * @throws {@link ConnectionLostError} through the operation, when the connection was lost for good: there may be a
   * sandbox, which `list()` tells.
   */
  create(spec: SandboxSpec = {}): OperationRef<Sandbox> {
    checkSpec(spec);
    return startOperation(
      this.backend.create(spec).pipe(map(({ id }) => new Sandbox(this.backend, id))),
    );
  }

  /** Finds a sandbox by its id; fails with a {@link SandboxNotFoundError} where there is none. */
  get(id: string): OperationRef<Sandbox> {
    requireText('id', id);
    return startOperation(
      this.backend.get(id).pipe(map((info) => new Sandbox(this.backend, info.id))),
    );
  }

  /** The sandboxes there are now, oldest first. */
  list(filter: SandboxFilter = {}): OperationRef<readonly SandboxInfo[]> {
    checkFilter(filter);
    return startOperation<readonly SandboxInfo[]>(this.backend.list(filter).pipe(toArray()));
  }

  /**
   * The sandboxes there are, oldest first, and the whole list again at each change. One watch of the backend serves all who
   * subscribe; who comes later is given the newest list at once.
   *
   * ```text
   * sandboxes$   a--b--c--     a = [one], b = [one, two], c = [two]
   * ```
   */
  get sandboxes$(): Observable<readonly SandboxInfo[]> {
    const { backend } = this;
    return (this.#sandboxes$ ??= liveList({
      watch: (listed) => backend.watch({}, listed),
      isLast: isDeleted,
      beginOf: ({ createdAtMs }) => createdAtMs,
    }));
  }

  /**
   * A sandbox for each subscription: made on subscribing, deleted before completion or error and on unsubscribing.
   *
   * ```text
   * project       --a--b--|
   * withSandbox   ----a--b----|     made before, deleted after
   * ```
   *
   * @throws {@link SandboxValidationError} at once, for a bad spec.
   *
   * @example
   * ```ts
   * import { lines, SandboxClient, stdout } from 'sandbox-rx';
   * import { localBackend } from 'sandbox-rx/node';
   *
   * new SandboxClient(localBackend())
   *   .withSandbox({}, (sandbox) => sandbox.exec$(['ls', '/']).pipe(stdout(), lines()))
   *   .subscribe(console.log);
   * ```
   */
  withSandbox<T>(
    spec: SandboxSpec,
    project: (sandbox: Sandbox) => ObservableInput<T>,
  ): Observable<T> {
    checkSpec(spec);
    requireFunction('project', project);
    return withSandbox(this.backend, spec, project);
  }
}
