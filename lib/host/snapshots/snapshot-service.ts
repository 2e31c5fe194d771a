import { concat, defer, from, ignoreElements, of, type Observable } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { Extension } from '../../wire/extension.js';
import {
  CreateFileSystemSnapshotRequest,
  FileSystemSnapshot,
  SnapshotState,
  SnapshotTrigger,
  type DeleteFileSystemSnapshotRequest,
  type GetFileSystemSnapshotRequest,
  type ListFileSystemSnapshotsRequest,
  type ListFileSystemSnapshotsResponse,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSnapshot } from '../../wire/generated/sandboxrx/store/v1/store.js';
import type { CallContext } from '../call.js';
import { Creations } from '../creations.js';
import { pageOf } from '../pages.js';
import type { Sandboxes } from '../sandboxes.js';
import { volumeNameOf } from './check-snapshot.js';
import type { HostSnapshot } from './host-snapshot.js';
import type { Snapshots } from './snapshots.js';

/** The calls of SandboxService about snapshots. */
export class SnapshotService {
  readonly #sandboxes: Sandboxes;
  readonly #snapshots: Snapshots;
  readonly #creations: Creations<CreateFileSystemSnapshotRequest, HostSnapshot> = new Creations(
    CreateFileSystemSnapshotRequest,
  );

  constructor(sandboxes: Sandboxes, snapshots: Snapshots) {
    this.#sandboxes = sandboxes;
    this.#snapshots = snapshots;
  }

  /** Takes over what a host before this one had. */
  restore(stored: readonly StoredSnapshot[]): void {
    for (const one of stored) this.#creations.remember(this.#snapshots.restore(one));
  }

  /** Answers when it is written down that it is being taken. */
  create(
    request: CreateFileSystemSnapshotRequest,
    { caller }: CallContext,
  ): Observable<FileSystemSnapshot> {
    return this.#supported(() => {
      const snapshot = this.#creations.once(request, caller, () => this.#begun(request, caller));
      const { id, message } = snapshot.record;
      return concat(from(this.#snapshots.written(id)).pipe(ignoreElements()), of(message));
    });
  }

  get(
    { fileSystemSnapshotId }: GetFileSystemSnapshotRequest,
    { metadata }: CallContext,
  ): Observable<FileSystemSnapshot> {
    return this.#supported(() => {
      const { failure, message } = this.#snapshots.get(fileSystemSnapshotId).record;
      const isExplained = metadata[Extension.explain] !== undefined;
      if (isExplained && failure instanceof SandboxError) throw failure;
      return of(message);
    });
  }

  list(request: ListFileSystemSnapshotsRequest): Observable<ListFileSystemSnapshotsResponse> {
    return this.#supported(() => {
      const { sourceSandboxId: wanted } = request;
      const all = this.#snapshots.all.filter(
        ({ record }) => wanted === '' || record.message.sourceSandboxId === wanted,
      );
      const { items, nextPageToken } = pageOf(all, request, ({ record }) => record.number);
      return of({ fileSystemSnapshots: items.map(({ record }) => record.message), nextPageToken });
    });
  }

  /** Answers when nothing is left of it. */
  delete({
    fileSystemSnapshotId: id,
    allowMissing,
  }: DeleteFileSystemSnapshotRequest): Observable<FileSystemSnapshot> {
    return this.#supported(() => {
      if (allowMissing && !this.#snapshots.has(id)) return of(FileSystemSnapshot.create());
      const snapshot = this.#snapshots.get(id);
      const answer = { ...snapshot.record.message, state: SnapshotState.SNAPSHOT_STATE_DELETING };
      return concat(this.#snapshots.remove(snapshot).pipe(ignoreElements()), of(answer));
    });
  }

  #supported<T>(answer: () => Observable<T>): Observable<T> {
    return defer(() => {
      this.#snapshots.assertSupported();
      return answer();
    });
  }

  #begun(request: CreateFileSystemSnapshotRequest, owner: string | undefined): HostSnapshot {
    const sandbox = this.#sandboxes.get(request.sandboxId);
    sandbox.record.assertRunning();
    const volume = volumeNameOf(sandbox.record, request.scratchVolumeName);
    this.#snapshots.assertRoom(owner);
    const trigger = SnapshotTrigger.SNAPSHOT_TRIGGER_MANUAL;
    const snapshot = this.#snapshots.add({ sandbox, volume, trigger, request, owner });
    this.#snapshots.take(snapshot).subscribe({ error: ignore });
    return snapshot;
  }
}

function ignore(): void {
  // The record tells of it.
}
