import {
  AsyncSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  Subscription,
  throwError,
  type Observable,
} from 'rxjs';
import {
  SandboxNotFoundError,
  SandboxValidationError,
  UnsupportedError,
} from '../../process/errors/errors.js';
import { newId } from '../../process/new-id.js';
import type { SandboxBackend } from '../../sandbox/backend.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { noSnapshot } from '../../sandbox/volumes.js';
import {
  CreateFileSystemSnapshotRequest,
  FileSystemSnapshot,
  SnapshotState,
  type SnapshotTrigger,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSnapshot } from '../../wire/generated/sandboxrx/store/v1/store.js';
import { GrpcCode } from '../../wire/grpc-code.js';
import { Reason } from '../../wire/reasons.js';
import { toTimestamp } from '../../wire/timestamp.js';
import type { HostSandbox } from '../host-sandbox.js';
import { checkRoom, type Count, type HostLimits } from '../limits.js';
import type { Table } from '../store/table.js';
import { Writer } from '../store/writer.js';
import type { HostSnapshot } from './host-snapshot.js';
import { SnapshotRecord } from './snapshot-record.js';

/** A snapshot that is asked for. */
export interface NewSnapshot {
  readonly sandbox: HostSandbox;
  readonly volume: string;
  readonly trigger: SnapshotTrigger;
  /** The name of the token of whoever asks. */
  readonly owner: string | undefined;
  readonly request?: CreateFileSystemSnapshotRequest;
}

/** How snapshots are kept. */
export interface SnapshotsConfig {
  readonly table: Table<StoredSnapshot>;
  readonly limits: Pick<HostLimits, 'maxSnapshots' | 'maxSnapshotsPerToken'>;
}

/** The snapshots of a host. They belong to no call, and outlive the sandboxes that they are of. */
export class Snapshots {
  readonly #backend: SandboxBackend;
  readonly #limits: SnapshotsConfig['limits'];
  readonly #writer: Writer<StoredSnapshot>;
  readonly #byId: Map<string, HostSnapshot> = new Map();
  #count = 0;

  constructor(backend: SandboxBackend, { table, limits }: SnapshotsConfig) {
    this.#backend = backend;
    this.#limits = limits;
    this.#writer = new Writer(table);
  }

  /** @throws UnsupportedError where the backend has none */
  assertSupported(): void {
    if (this.#backend.capabilities.snapshots) return;
    const text = 'this host keeps no volumes and snapshots (sandbox-rx serve does, with --data)';
    throw new UnsupportedError('snapshots', text);
  }

  /** Oldest first. */
  get all(): readonly HostSnapshot[] {
    return [...this.#byId.values()];
  }

  find(id: string): HostSnapshot | undefined {
    return this.#byId.get(id);
  }

  /** @throws SandboxNotFoundError */
  get(id: string): HostSnapshot {
    const snapshot = this.find(id);
    if (snapshot === undefined) throw noSnapshot(id);
    return snapshot;
  }

  /** @throws SandboxError with code `ERR_RESOURCE_EXHAUSTED` where `more` would be more than there may be */
  assertRoom(owner: string | undefined, more = 1): void {
    const { maxSnapshots: max, maxSnapshotsPerToken: maxPerToken } = this.#limits;
    const isKept = ({ record }: HostSnapshot): boolean =>
      record.message.state !== SnapshotState.SNAPSHOT_STATE_FAILED;
    const kept = this.all.filter(isKept);
    const count: Count = (whose) =>
      kept.filter((snapshot) => whose === 'all' || snapshot.owner === owner).length;
    checkRoom('snapshots', count, { max, maxPerToken, more });
  }

  /** Makes the record of a snapshot that is still to be taken. */
  add({ sandbox, volume, trigger, request, owner }: NewSnapshot): HostSnapshot {
    const now = toTimestamp(Date.now());
    const snapshot = this.#known({
      snapshot: FileSystemSnapshot.fromPartial({
        fileSystemSnapshotId: `snap-${newId().slice(0, 13)}`,
        ...{ state: SnapshotState.SNAPSHOT_STATE_CREATING, createTime: now, updatedAt: now },
        ...{ sourceSandboxId: sandbox.record.id, sourceVolumeName: volume, trigger },
        requestId: request?.requestId ?? '',
      }),
      ...{ number: BigInt(this.#count + 1), owner: owner ?? '', backendId: '' },
      ...{ backendSandboxId: sandbox.backendId ?? '', request },
    });
    this.#write(snapshot);
    return snapshot;
  }

  /** Takes a snapshot, if that has not been given up. Emits nothing; completes when it is ready, or has failed. */
  take(snapshot: HostSnapshot): Observable<never> {
    return defer(() => {
      const { record, taking, settled } = snapshot;
      if (!record.isBeingTaken) return EMPTY;
      const { backendSandboxId: sandboxId } = record.stored;
      const volume = record.message.sourceVolumeName;
      taking.add(
        this.#backend.snapshots.take({ sandboxId, volume }).subscribe({
          next: (info) => {
            record.ready(info);
            settled.complete();
            this.#write(snapshot);
          },
          error: (error: unknown) => {
            this.giveUp(snapshot, error);
          },
        }),
      );
      return settled.pipe(ignoreElements());
    });
  }

  /** A snapshot that is still being taken has failed, for this reason. */
  giveUp(snapshot: HostSnapshot, reason: unknown): void {
    const { record, taking, settled } = snapshot;
    if (!record.isBeingTaken) return;
    record.failed(reason);
    taking.unsubscribe();
    settled.complete();
    this.#write(snapshot);
  }

  /** Removes a snapshot, also one that is being taken. Completes when nothing is left of it. */
  remove(snapshot: HostSnapshot): Observable<void> {
    const removed: AsyncSubject<void> = new AsyncSubject();
    this.giveUp(snapshot, 'it was deleted');
    const { backendId } = snapshot.record.stored;
    const deleted$ = backendId === '' ? EMPTY : this.#backend.snapshots.delete(backendId);
    concat(deleted$.pipe(catchError(unlessAbsent)), this.#forgotten(snapshot)).subscribe(removed);
    return removed;
  }

  /** A spec whose snapshots are named as the backend names them. @throws SandboxError where one cannot be restored */
  restoring({ volumes, ...spec }: SandboxSpec): SandboxSpec {
    if (volumes === undefined) return spec;
    this.assertSupported();
    return {
      ...spec,
      volumes: volumes.map((volume) => {
        const { snapshotId } = volume;
        return snapshotId === undefined
          ? volume
          : { ...volume, snapshotId: backendIdOf(this.get(snapshotId).record) };
      }),
    };
  }

  /** Takes over what a host before this one had. Takes that went on died with it. */
  restore(stored: StoredSnapshot): HostSnapshot {
    const snapshot = this.#known(stored);
    this.giveUp(snapshot, 'it died with its host');
    if (stored.backendId !== '') this.#lookAfter(snapshot);
    return snapshot;
  }

  /** Resolves when all that is known of a snapshot by now would survive a crash. */
  written(id: string): Promise<void> {
    return this.#writer.written(id);
  }

  /** Gives up what is being taken. */
  close(): void {
    for (const snapshot of this.all) this.giveUp(snapshot, 'its host was closed');
  }

  /** Resolves when everything is written. */
  settled(): Promise<void> {
    return this.#writer.settled();
  }

  #known(stored: StoredSnapshot): HostSnapshot {
    const record = new SnapshotRecord(stored);
    const { owner, request = CreateFileSystemSnapshotRequest.create() } = stored;
    const snapshot: HostSnapshot = {
      ...{ record, request, owner: owner === '' ? undefined : owner },
      ...{ taking: new Subscription(), settled: new AsyncSubject(), forgotten: new AsyncSubject() },
    };
    this.#count = Math.max(this.#count, record.number);
    this.#byId.set(record.id, snapshot);
    return snapshot;
  }

  #write({ record: { id, stored } }: HostSnapshot): void {
    this.#writer.put(id, stored);
  }

  #forgotten({ record: { id }, forgotten }: HostSnapshot): Observable<never> {
    return defer(() => {
      this.#byId.delete(id);
      forgotten.complete();
      this.#writer.delete(id);
      return this.written(id);
    }).pipe(ignoreElements());
  }

  /** One that the backend lost meanwhile cannot be restored any more. A backend that does not answer says nothing. */
  #lookAfter(snapshot: HostSnapshot): void {
    const { record } = snapshot;
    this.#backend.snapshots.get(record.stored.backendId).subscribe({
      error: (error: unknown) => {
        if (!(error instanceof SandboxNotFoundError)) return;
        record.failed('its backend has lost it');
        this.#write(snapshot);
      },
    });
  }
}

/** @throws SandboxValidationError where it cannot be restored */
function backendIdOf({ id, isBeingTaken, message, stored }: SnapshotRecord): string {
  if (message.state === SnapshotState.SNAPSHOT_STATE_READY) return stored.backendId;
  const why = isBeingTaken ? 'is still being taken' : `cannot be had: ${message.stateReason}`;
  throw new SandboxValidationError(`snapshot ${id} ${why}`, {
    ...{ snapshotId: id, retryable: isBeingTaken },
    remote: { grpcCode: GrpcCode.FAILED_PRECONDITION, reason: Reason.snapshotNotReady },
  });
}

/** What is not there needs not be removed. */
function unlessAbsent(error: unknown): Observable<never> {
  return error instanceof SandboxNotFoundError ? EMPTY : throwError(() => error);
}
