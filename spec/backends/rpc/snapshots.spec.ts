import { afterEach, describe, expect, it } from '@jest/globals';
import type { handleUnaryCall, ServerUnaryCall, StatusObject } from '@grpc/grpc-js';
import type { SandboxClient } from 'sandbox-rx';
import {
  FileSystemSnapshot,
  Sandbox,
  SandboxStatus,
  SnapshotState,
  State,
  type CreateFileSystemSnapshotRequest,
  type DeleteFileSystemSnapshotRequest,
  type ListFileSystemSnapshotsRequest,
} from '../../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const { SNAPSHOT_STATE_CREATING, SNAPSHOT_STATE_READY, SNAPSHOT_STATE_FAILED } = SnapshotState;

function told(state: SnapshotState, id = 'fss', more: object = {}): FileSystemSnapshot {
  return FileSystemSnapshot.fromPartial({
    ...{ fileSystemSnapshotId: id, sourceSandboxId: 'remote', state, sizeBytes: 5n, ...more },
  });
}

/** Answers one after the other, the last one again and again; an answer with a code is an error. */
function answering<Request>(...answers: readonly object[]) {
  const requests: Request[] = [];
  const handle: handleUnaryCall<Request, unknown> = ({ request }, answer) => {
    const next = answers[Math.min(requests.push(request), answers.length) - 1];
    if (next !== undefined && 'code' in next) answer(next as Partial<StatusObject>);
    else answer(null, next);
  };
  return Object.assign(handle, { requests });
}

const runs = Sandbox.fromPartial({
  sandboxId: 'remote',
  status: { ...SandboxStatus.create(), state: State.STATE_RUNNING },
});

async function open(calls: Parameters<Remote['service']>[0]): Promise<SandboxClient> {
  const url = await remote.service({ createSandbox: answering(runs), ...calls });
  return remote.client(url, { retryBudgetMs: 5000 });
}

describe('snapshots of a server that is none of ours', () => {
  it('are asked for again under the same id, and waited for', async () => {
    const unavailable = { code: 14, details: 'not now' };
    const create = answering<CreateFileSystemSnapshotRequest>(
      ...[unavailable, told(SNAPSHOT_STATE_CREATING)],
    );
    const get = answering(
      ...[told(SNAPSHOT_STATE_CREATING), unavailable, told(SNAPSHOT_STATE_READY)],
    );
    const client = await open({ createFileSystemSnapshot: create, getFileSystemSnapshot: get });
    const sandbox = await client.create();
    expect(await sandbox.snapshot({ volume: 'data' })).toEqual({
      ...{ id: 'fss', sandboxId: 'remote', sizeBytes: 5, createdAtMs: 0 },
    });
    const [first, second] = create.requests;
    expect(first).toMatchObject({ sandboxId: 'remote', scratchVolumeName: 'data' });
    expect(first?.requestId).not.toBe('');
    expect(second).toEqual(first);
    expect(get.requests).toHaveLength(3);
    await sandbox.snapshot();
    expect(create.requests[2]?.requestId).not.toBe(first?.requestId);
  });

  it.each([
    ['CWSANDBOX_FSS_QUOTA_EXCEEDED', { reason: 'CWSANDBOX_FSS_QUOTA_EXCEEDED' }],
    ['the disk is full', undefined],
    ['', undefined],
  ])('say why they could not be taken: %j', async (stateReason, remoteDetails) => {
    const client = await open({
      createFileSystemSnapshot: answering(told(SNAPSHOT_STATE_CREATING)),
      getFileSystemSnapshot: answering(told(SNAPSHOT_STATE_FAILED, 'fss', { stateReason })),
    });
    const error = await failureOf((await client.create()).snapshot());
    expect(error).toMatchObject({
      ...{ code: 'ERR_REMOTE', sandboxId: 'remote', snapshotId: 'fss' },
      message: expect.stringContaining(stateReason),
      ...(remoteDetails && { remote: remoteDetails }),
    });
    const notThere = await failureOf(client.snapshots.get('fss'));
    expect(notThere).toMatchObject({ code: 'ERR_NOT_FOUND', snapshotId: 'fss' });
  });

  it('are deleted when nobody waits for them, also before their id is known', async () => {
    const asked: (() => void)[] = [];
    const create = (_: ServerUnaryCall<unknown, unknown>, answer: Parameters<typeof handle>[1]) =>
      asked.push(() => {
        answer(null, told(SNAPSHOT_STATE_CREATING));
      });
    const handle: handleUnaryCall<unknown, unknown> = create;
    const remove = answering<DeleteFileSystemSnapshotRequest>(told(SNAPSHOT_STATE_READY));
    const client = await open({
      createFileSystemSnapshot: handle,
      getFileSystemSnapshot: answering(told(SNAPSHOT_STATE_CREATING)),
      deleteFileSystemSnapshot: remove,
    });
    const taking = (await client.create()).snapshot();
    await eventually('it is asked for', () => asked.length === 1);
    taking.cancel();
    asked[0]?.();
    await eventually('it is deleted', () => remove.requests.length === 1);
    expect(remove.requests).toMatchObject([{ fileSystemSnapshotId: 'fss' }]);
  });

  it('are listed from all pages, those that can be restored, oldest first', async () => {
    const at = (seconds: bigint) => ({ createTime: { seconds, nanos: 0 } });
    const pages = [
      {
        fileSystemSnapshots: [
          told(SNAPSHOT_STATE_READY, 'new', at(9n)),
          told(SNAPSHOT_STATE_CREATING, 'not yet', at(5n)),
        ],
        nextPageToken: 'more',
      },
      {
        fileSystemSnapshots: [
          told(SNAPSHOT_STATE_READY, 'old', at(3n)),
          told(SNAPSHOT_STATE_READY, 'of another', { sourceSandboxId: 'another' }),
          told(SnapshotState.SNAPSHOT_STATE_DELETING, 'no longer', at(4n)),
        ],
        nextPageToken: '',
      },
    ];
    const list = answering<ListFileSystemSnapshotsRequest>(...pages);
    const client = await open({ listFileSystemSnapshots: list });
    const infos = await client.snapshots.list({ sandboxId: 'remote' });
    expect(infos.map(({ id }) => id)).toEqual(['old', 'new']);
    expect(list.requests).toMatchObject([
      { sourceSandboxId: 'remote', pageToken: '' },
      { pageToken: 'more' },
    ]);
  });

  it('cannot be had of one that has no such calls', async () => {
    const client = await open({});
    const lacking = { code: 'ERR_UNSUPPORTED', capability: 'snapshots' };
    const sandbox = await client.create();
    for (const operation of [
      sandbox.snapshot(),
      client.snapshots.get('fss'),
      client.snapshots.list(),
      client.snapshots.delete('fss'),
    ]) {
      expect(await failureOf(operation)).toMatchObject(lacking);
    }
  });
});
