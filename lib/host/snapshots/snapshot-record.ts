import { messageOf } from '../../process/errors/message-of.js';
import type { SnapshotInfo } from '../../sandbox/backend.js';
import {
  FileSystemSnapshot,
  SnapshotState,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSnapshot } from '../../wire/generated/sandboxrx/store/v1/store.js';
import { toTimestamp } from '../../wire/timestamp.js';

/** What a host remembers of a snapshot. */
export class SnapshotRecord {
  #stored: StoredSnapshot;
  #failure: unknown;

  /** Of a new one, or of one that a host before this one had. */
  constructor(stored: StoredSnapshot) {
    this.#stored = stored;
  }

  get id(): string {
    return this.message.fileSystemSnapshotId;
  }

  /** In the order of creation. */
  get number(): number {
    return Number(this.#stored.number);
  }

  /** What is told of it. */
  get message(): FileSystemSnapshot {
    return this.#stored.snapshot ?? FileSystemSnapshot.create();
  }

  /** What is written down of it. */
  get stored(): StoredSnapshot {
    return this.#stored;
  }

  get isBeingTaken(): boolean {
    return this.message.state === SnapshotState.SNAPSHOT_STATE_CREATING;
  }

  /** Why it could not be taken; `undefined` where that is not known any more. */
  get failure(): unknown {
    return this.#failure;
  }

  ready({ id, sizeBytes }: SnapshotInfo): void {
    this.#stored = { ...this.#stored, backendId: id };
    this.#become(SnapshotState.SNAPSHOT_STATE_READY, {
      ...{ sizeBytes: BigInt(sizeBytes), completeTime: toTimestamp(Date.now()) },
    });
  }

  failed(failure: unknown): void {
    this.#failure = failure;
    this.#become(SnapshotState.SNAPSHOT_STATE_FAILED, { stateReason: messageOf(failure) });
  }

  #become(state: SnapshotState, known: Partial<FileSystemSnapshot>): void {
    const snapshot = { ...this.message, ...known, state, updatedAt: toTimestamp(Date.now()) };
    this.#stored = { ...this.#stored, snapshot };
  }
}
