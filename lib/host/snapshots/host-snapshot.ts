import type { AsyncSubject, Subscription } from 'rxjs';
import type { CreateFileSystemSnapshotRequest } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { SnapshotRecord } from './snapshot-record.js';

/** A snapshot of the host: its record, and how it comes to be on the backend. */
export interface HostSnapshot {
  readonly record: SnapshotRecord;
  /** The name of the token with which it was asked for, where the host wants tokens. */
  readonly owner: string | undefined;
  /** What asked for it; without an id where that was the end of its sandbox. */
  readonly request: CreateFileSystemSnapshotRequest;
  /** The take on the backend; unsubscribing undoes it. */
  readonly taking: Subscription;
  /** Completes when it is no longer being taken. */
  readonly settled: AsyncSubject<void>;
  /** Completes when it can no longer be asked for. */
  readonly forgotten: AsyncSubject<void>;
}
