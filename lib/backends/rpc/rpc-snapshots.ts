import {
  concatMap,
  defer,
  filter,
  ignoreElements,
  map,
  mergeMap,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import { SandboxNotFoundError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { newId } from '../../process/new-id.js';
import type {
  BackendSnapshots,
  SnapshotFilter,
  SnapshotInfo,
  SnapshotRequest,
} from '../../sandbox/backend.js';
import { Extension } from '../../wire/extension.js';
import {
  CreateFileSystemSnapshotRequest,
  DeleteFileSystemSnapshotRequest,
  ListFileSystemSnapshotsRequest,
  SnapshotState,
  type FileSystemSnapshot,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { GrpcCode } from '../../wire/grpc-code.js';
import { fromTimestamp } from '../../wire/timestamp.js';
import { allPages } from './all-pages.js';
import { createSnapshot, deleteSnapshot, getSnapshot, listSnapshots } from './methods.js';
import { polled, pollTimeoutMs, withRetryBudget } from './polling.js';
import { naming } from './naming.js';
import type { RpcMethod } from './rpc-method.js';
import type { CallOptions, RpcTransport } from './rpc-transport.js';
import { undoable } from './undoable.js';

/** How long calls about snapshots may take. */
interface RpcSnapshotsConfig {
  readonly requestTimeoutMs: number;
  readonly retryBudgetMs: number;
}

/** The snapshots that a server keeps. Of those, the ones that can be restored are told. */
export class RpcSnapshots implements BackendSnapshots {
  readonly #transport: RpcTransport;
  readonly #config: RpcSnapshotsConfig;

  constructor(transport: RpcTransport, config: RpcSnapshotsConfig) {
    this.#transport = transport;
    this.#config = config;
  }

  take(request: SnapshotRequest): Observable<SnapshotInfo> {
    return undoable(
      (made) => this.#taken(request, made),
      (id) => this.delete(id),
    );
  }

  /** One that is still being taken, or could not be taken, is none yet. */
  get(snapshotId: string): Observable<SnapshotInfo> {
    return this.#get(snapshotId).pipe(
      map((snapshot) => {
        if (isReady(snapshot)) return infoOf(snapshot);
        throw new SandboxNotFoundError(notReadyText(snapshot), { snapshotId });
      }),
    );
  }

  list({ sandboxId = '' }: SnapshotFilter): Observable<SnapshotInfo> {
    const page = (pageToken: string) => {
      const request = { pageToken, sourceSandboxId: sandboxId };
      return this.#call(listSnapshots, ListFileSystemSnapshotsRequest.fromPartial(request));
    };
    return allPages(page, ({ fileSystemSnapshots }) => fileSystemSnapshots).pipe(
      // A server may list more than it was asked for, and in any order.
      filter((one) => isReady(one) && (sandboxId === '' || one.sourceSandboxId === sandboxId)),
      map(infoOf),
      toArray(),
      concatMap((infos) => infos.sort((a, b) => a.createdAtMs - b.createdAtMs)),
    );
  }

  delete(snapshotId: string): Observable<never> {
    const request = DeleteFileSystemSnapshotRequest.fromPartial({
      fileSystemSnapshotId: snapshotId,
    });
    return this.#call(deleteSnapshot, request, { subject: { snapshotId } }).pipe(ignoreElements());
  }

  /** A request that may have arrived is made again under the same id, and so takes no second one. */
  #taken(
    { sandboxId, volume: scratchVolumeName = '' }: SnapshotRequest,
    made: (id: string) => void,
  ): Observable<SnapshotInfo> {
    return defer(() => {
      const requestId = newId();
      const request = CreateFileSystemSnapshotRequest.fromPartial({
        ...{ sandboxId, requestId, scratchVolumeName },
      });
      const create$ = this.#call(createSnapshot, request, { subject: { sandboxId } });
      return withRetryBudget(create$, this.#config.retryBudgetMs);
    }).pipe(
      tap(({ fileSystemSnapshotId: id }) => {
        made(id);
      }),
      mergeMap(({ fileSystemSnapshotId: id }) => this.#settled(sandboxId, id)),
      map((snapshot) => {
        if (isReady(snapshot)) return infoOf(snapshot);
        throw notTaken(sandboxId, snapshot);
      }),
    );
  }

  #settled(sandboxId: string, snapshotId: string): Observable<FileSystemSnapshot> {
    const { requestTimeoutMs, retryBudgetMs } = this.#config;
    const get$ = this.#get(snapshotId, {
      metadata: { [Extension.explain]: '' },
      subject: { sandboxId, snapshotId },
      timeoutMs: Math.min(requestTimeoutMs, pollTimeoutMs),
    });
    return polled(withRetryBudget(get$, retryBudgetMs), ({ state }) => !undecided.has(state));
  }

  #get(snapshotId: string, options: CallOptions = {}): Observable<FileSystemSnapshot> {
    const request = { fileSystemSnapshotId: snapshotId };
    return this.#call(getSnapshot, request, { subject: { snapshotId }, ...options });
  }

  #call<Request, Response>(
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Observable<Response> {
    const { requestTimeoutMs: timeoutMs } = this.#config;
    return this.#transport.call(method, request, { timeoutMs, ...options }).pipe(
      map(({ message }) => message),
      naming('snapshots'),
    );
  }
}

const undecided: ReadonlySet<SnapshotState> = new Set([
  SnapshotState.SNAPSHOT_STATE_UNSPECIFIED,
  SnapshotState.SNAPSHOT_STATE_CREATING,
]);

function isReady({ state }: FileSystemSnapshot): boolean {
  return state === SnapshotState.SNAPSHOT_STATE_READY;
}

function infoOf(snapshot: FileSystemSnapshot): SnapshotInfo {
  const { fileSystemSnapshotId: id, sourceSandboxId: sandboxId, sizeBytes, createTime } = snapshot;
  const createdAtMs = createTime === undefined ? 0 : Math.floor(fromTimestamp(createTime));
  return { id, sandboxId, sizeBytes: Number(sizeBytes), createdAtMs };
}

function notReadyText({
  fileSystemSnapshotId: id,
  state,
  stateReason,
}: FileSystemSnapshot): string {
  if (undecided.has(state)) return `snapshot ${id} is still being taken`;
  const why = stateReason === '' ? '' : `: ${stateReason}`;
  return state === SnapshotState.SNAPSHOT_STATE_DELETING
    ? `snapshot ${id} is being deleted`
    : `there is no snapshot ${id}, it failed${why}`;
}

/** The server may have a word for why it failed, or say it in its own words. */
function notTaken(
  sandboxId: string,
  { stateReason, ...snapshot }: FileSystemSnapshot,
): SandboxError {
  const { fileSystemSnapshotId: snapshotId } = snapshot;
  const why = stateReason === '' ? 'the server does not say why' : stateReason;
  return new SandboxError('ERR_REMOTE', `the snapshot could not be taken: ${why}`, {
    ...{ sandboxId, snapshotId },
    ...(/^[A-Z][A-Z0-9_]+$/.test(stateReason) && {
      remote: { grpcCode: GrpcCode.OK, reason: stateReason },
    }),
  });
}
