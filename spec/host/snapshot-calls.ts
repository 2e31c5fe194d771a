import { Metadata } from '@grpc/grpc-js';
import { concat, ignoreElements, Subject, take } from 'rxjs';
import type { BackendSnapshots, SandboxBackend, SandboxSpec } from 'sandbox-rx';
import {
  CreateFileSystemSnapshotRequest,
  CreateSandboxFromTemplateRequest,
  CreateSandboxRequest,
  DeleteFileSystemSnapshotRequest,
  DeleteSandboxRequest,
  type DeleteSandboxResponse,
  type FileSystemSnapshot,
  ListFileSystemSnapshotsRequest,
  type ListFileSystemSnapshotsResponse,
  type Sandbox as SandboxMessage,
  SandboxSpec as SandboxSpecMessage,
  SnapshotState,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { CreateSandboxTemplateRequest } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import { readDetails } from '../../lib/wire/status-details.js';
import { eventually } from '../contract/kit.js';
import type { BareClient } from '../support/remote.js';
import { memory } from './harness.js';

/** A sandbox with a volume. */
export const data: SandboxSpec = { volumes: [{ name: 'data', mountPath: '/data' }] };

/** A call that failed, by its code and its reason. */
class Refusal extends Error {
  readonly code: number;
  readonly reason: string | undefined;

  constructor(code: number, message: string, metadata: Metadata) {
    super(message);
    this.code = code;
    const details = metadata.get('grpc-status-details-bin')[0] as Buffer | undefined;
    this.reason = readDetails({ code, message, details }).reason;
  }
}

/** The calls about snapshots as a client makes them that knows nothing of this library. */
export class Calls {
  readonly #bare: BareClient;
  readonly #metadata = new Metadata();

  constructor(bare: BareClient, token?: string) {
    this.#bare = bare;
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
  }

  take(request: Partial<CreateFileSystemSnapshotRequest>): Promise<FileSystemSnapshot> {
    const message = CreateFileSystemSnapshotRequest.fromPartial(request);
    return this.#call('createFileSystemSnapshot', message);
  }

  get(fileSystemSnapshotId: string): Promise<FileSystemSnapshot> {
    return this.#call('getFileSystemSnapshot', { fileSystemSnapshotId });
  }

  list(
    request: Partial<ListFileSystemSnapshotsRequest> = {},
  ): Promise<ListFileSystemSnapshotsResponse> {
    const message = ListFileSystemSnapshotsRequest.fromPartial(request);
    return this.#call('listFileSystemSnapshots', message);
  }

  delete(id: string, allowMissing = false): Promise<FileSystemSnapshot> {
    const request = { fileSystemSnapshotId: id, allowMissing };
    const message = DeleteFileSystemSnapshotRequest.fromPartial(request);
    return this.#call('deleteFileSystemSnapshot', message);
  }

  /** A sandbox with volume `data`, as the snapshot has it. */
  restore(restoreFromSnapshotId: string): Promise<SandboxMessage> {
    const sandbox = { spec: restoring(restoreFromSnapshotId) };
    return this.#call('createSandbox', CreateSandboxRequest.fromPartial({ sandbox }));
  }

  stop(request: Partial<DeleteSandboxRequest>): Promise<DeleteSandboxResponse> {
    return this.#call('deleteSandbox', DeleteSandboxRequest.fromPartial(request));
  }

  sandbox(sandboxId: string): Promise<SandboxMessage> {
    return this.#call('getSandbox', { sandboxId });
  }

  template(displayName: string): Promise<unknown> {
    const request = CreateSandboxTemplateRequest.fromPartial({ sandboxTemplate: { displayName } });
    return this.#call('createSandboxTemplate', request);
  }

  fromTemplate(templateId: string, overrides: object): Promise<SandboxMessage> {
    const request = CreateSandboxFromTemplateRequest.fromPartial({ templateId, overrides });
    return this.#call('createSandboxFromTemplate', request);
  }

  /** How a snapshot stands when it is no longer being taken. */
  async settled(id: string): Promise<FileSystemSnapshot> {
    await eventually(
      'it is no longer being taken',
      async () => (await this.get(id)).state !== SnapshotState.SNAPSHOT_STATE_CREATING,
    );
    return this.get(id);
  }

  async #call<T>(name: string, request: unknown): Promise<T> {
    const { code, message, messages, metadata } = await this.#bare.unary(
      ...([name, request, this.#metadata] as const),
    );
    if (code !== 0) throw new Refusal(code, message, metadata);
    return messages[0] as T;
  }
}

/** What asks for a sandbox with volume `data`, as a snapshot has it. */
export function restoring(restoreFromSnapshotId: string): SandboxSpecMessage {
  const volumeMounts = [{ volume: 'data', mountPath: '/elsewhere' }];
  return SandboxSpecMessage.fromPartial({
    containers: [{ name: 'main', image: 'any', volumeMounts }],
    volumes: [{ name: 'data', source: { $case: 'scratch', value: { restoreFromSnapshotId } } }],
  });
}

/** The same backend, with snapshots that are taken otherwise. */
export function taking(
  take: (take: BackendSnapshots['take']) => BackendSnapshots['take'],
  backend: SandboxBackend = memory(),
): SandboxBackend {
  const { snapshots } = backend;
  return Object.assign(backend, { snapshots: { ...snapshots, take: take(snapshots.take) } });
}

/** A backend that waits for a word before it takes a snapshot, and what tells of those who wait. */
export function gated(): { backend: SandboxBackend; gate: Subject<void>; waiting: () => number } {
  const gate: Subject<void> = new Subject();
  const backend = taking(
    (take$) => (request) => concat(gate.pipe(take(1), ignoreElements()), take$(request)),
  );
  return { backend, gate, waiting: () => (gate.observed ? 1 : 0) };
}
