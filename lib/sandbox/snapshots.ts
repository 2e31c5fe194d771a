import { toArray } from 'rxjs';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { checkRecord, checkText, refuse, requireText } from '../process/validate.js';
import type { BackendSnapshots, SnapshotFilter, SnapshotInfo } from './backend.js';

/**
 * The snapshots of one backend. They outlive the sandboxes that they were taken of: name one as the `snapshotId` of a
 * volume, and a new sandbox begins with it.
 *
 * Where the backend keeps none, each call fails with an {@link UnsupportedError}.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const client = new SandboxClient(localBackend({ snapshotDirectory: '/var/lib/snapshots' }));
 * const volume = { name: 'work', mountPath: 'work' };
 * const first = await client.create({ volumes: [volume] });
 * await first.exec(['touch', 'work/made-by-the-first']);
 * const { id: snapshotId } = await first.snapshot();
 *
 * const second = await client.create({ volumes: [{ ...volume, snapshotId }] });
 * console.log((await second.exec(['ls', 'work'])).stdout); // made-by-the-first
 * await client.snapshots.delete(snapshotId);
 * ```
 */
export class Snapshots {
  readonly #snapshots: BackendSnapshots;

  /** @internal */
  constructor(snapshots: BackendSnapshots) {
    this.#snapshots = snapshots;
  }

  /** What is known of a snapshot; fails with a {@link SandboxNotFoundError} where there is none. */
  get(id: string): OperationRef<SnapshotInfo> {
    requireId(id);
    return startOperation(this.#snapshots.get(id));
  }

  /** The snapshots there are now, oldest first. */
  list(filter: SnapshotFilter = {}): OperationRef<readonly SnapshotInfo[]> {
    checkRecord('filter', filter);
    checkText('sandboxId', filter.sandboxId);
    return startOperation<readonly SnapshotInfo[]>(this.#snapshots.list(filter).pipe(toArray()));
  }

  /**
   * Removes a snapshot; sandboxes that began with it keep what they have. Fails with a {@link SandboxNotFoundError} where
   * there is none.
   */
  delete(id: string): OperationRef<void> {
    requireId(id);
    return startOperation<void>(this.#snapshots.delete(id), undefined);
  }
}

function requireId(id: string): void {
  requireText('id', id);
  if (id === '') refuse('id', 'not empty', id);
}
