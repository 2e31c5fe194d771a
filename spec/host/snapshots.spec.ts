import { afterEach, describe, expect, it } from '@jest/globals';
import { status as Code } from '@grpc/grpc-js';
import { firstValueFrom, throwError } from 'rxjs';
import {
  SandboxFileError,
  type SandboxBackend,
  type SandboxClient,
  type SandboxSpec,
} from 'sandbox-rx';
import type { HostOptions } from 'sandbox-rx/host';
import {
  type CreateFileSystemSnapshotRequest,
  type ListFileSystemSnapshotsResponse,
  SnapshotState,
  SnapshotTrigger,
  State,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually, failureOf } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { memory } from './harness.js';
import { Calls, data, gated, restoring, taking } from './snapshot-calls.js';

const { SNAPSHOT_STATE_CREATING, SNAPSHOT_STATE_READY, SNAPSHOT_STATE_FAILED } = SnapshotState;

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

interface Opened {
  readonly client: SandboxClient;
  readonly calls: Calls;
  readonly url: string;
}

async function open(backend: SandboxBackend, options: HostOptions = {}): Promise<Opened> {
  const url = await remote.host(backend, options);
  const token = options.tokens?.[0]?.token;
  const client = remote.client(url, { ...(token !== undefined && { token }) });
  return { client, calls: new Calls(remote.bare(url), token), url };
}

const failing = (error: Error) => taking(() => () => throwError(() => error));

describe('a snapshot', () => {
  it('is told while it is being taken, and when it is ready', async () => {
    const { backend, gate } = gated();
    const { client, calls } = await open(backend);
    const sandbox = await client.create(data);
    await sandbox.files.write('/data/a', 'one').result();
    const begun = await calls.take({ sandboxId: sandbox.id });
    const id = begun.fileSystemSnapshotId;
    expect(begun).toMatchObject({
      ...{ state: SNAPSHOT_STATE_CREATING, sourceSandboxId: sandbox.id, sourceVolumeName: 'data' },
      ...{ trigger: SnapshotTrigger.SNAPSHOT_TRIGGER_MANUAL, completeTime: undefined },
    });
    expect(await calls.get(id)).toEqual(begun);
    expect(await calls.list()).toEqual({ fileSystemSnapshots: [begun], nextPageToken: '' });

    gate.next();
    const ready = await calls.settled(id);
    expect(ready).toMatchObject({ state: SNAPSHOT_STATE_READY, sizeBytes: 3n, stateReason: '' });
    expect(ready.completeTime).toBeDefined();
    expect(ready.createTime).toEqual(begun.createTime);
    const { sandboxId } = await calls.restore(id);
    const restored = await client.get(sandboxId);
    await eventually('it runs', async () => {
      const { status } = await calls.sandbox(sandboxId);
      return status?.state === State.STATE_RUNNING;
    });
    expect(await restored.files.readText('/elsewhere/a')).toBe('one');
    // What it was made from is told as it was asked for.
    const { spec } = await calls.sandbox(sandboxId);
    expect(spec?.volumes[0]?.source?.value).toMatchObject({ restoreFromSnapshotId: id });
  });

  it('is the same one when it is asked for again', async () => {
    const tokens = [
      { name: 'a', token: 'secret-a' },
      { name: 'b', token: 'secret-b' },
    ];
    const { client, calls, url } = await open(memory(), { tokens });
    const { id: sandboxId } = await client.create(data);
    const request = { sandboxId, requestId: 'r' };
    const first = await calls.take(request);
    const again = await calls.take(request);
    expect(again.fileSystemSnapshotId).toBe(first.fileSystemSnapshotId);
    expect(again.requestId).toBe('r');
    expect(await failureOf(calls.take({ ...request, scratchVolumeName: 'data' }))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    const others = new Calls(remote.bare(url), 'secret-b');
    const other = await others.take(request);
    expect(other.fileSystemSnapshotId).not.toBe(first.fileSystemSnapshotId);
    expect(await failureOf(calls.take({ sandboxId, requestId: 'ü'.repeat(65) }))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    // Its id is free again when it is gone.
    await calls.delete(first.fileSystemSnapshotId);
    expect((await calls.take(request)).fileSystemSnapshotId).not.toBe(first.fileSystemSnapshotId);
  });

  it('is refused where there is nothing to take', async () => {
    const { client, calls } = await open(memory());
    const more = [...(data.volumes ?? []), { name: 'more', mountPath: '/more' }];
    const [one, two, none] = [
      await client.create(data),
      await client.create({ volumes: more }),
      await client.create(),
    ];
    const wrong = { code: Code.INVALID_ARGUMENT, reason: 'CWSANDBOX_INVALID_REQUEST' };
    const refused = (request: Partial<CreateFileSystemSnapshotRequest>) =>
      failureOf(calls.take(request));
    expect(await refused({ sandboxId: none.id })).toMatchObject(wrong);
    expect(await refused({ sandboxId: two.id })).toMatchObject(wrong);
    const absent = await refused({ sandboxId: two.id, scratchVolumeName: 'absent' });
    expect(absent).toMatchObject(wrong);
    expect(String(absent)).toMatch(/data, more/);
    await one.stop();
    expect(await refused({ sandboxId: one.id })).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      reason: 'CWSANDBOX_SANDBOX_NOT_RUNNING',
    });
    expect(await refused({ sandboxId: 'absent' })).toMatchObject({
      code: Code.NOT_FOUND,
      reason: 'CWSANDBOX_SANDBOX_NOT_FOUND',
    });
    expect((await calls.list()).fileSystemSnapshots).toEqual([]);
  });

  it('that is not there is not found, unless that is all right', async () => {
    const { calls } = await open(memory());
    const absent = { code: Code.NOT_FOUND, reason: 'CWSANDBOX_FSS_NOT_FOUND' };
    expect(await failureOf(calls.get('absent'))).toMatchObject(absent);
    expect(await failureOf(calls.delete('absent'))).toMatchObject(absent);
    expect(await calls.delete('absent', true)).toMatchObject({ fileSystemSnapshotId: '' });
    expect(await failureOf(calls.restore('absent'))).toMatchObject(absent);
  });

  it('cannot be restored before it is ready, nor when it has failed; from a template neither', async () => {
    const { backend, gate } = gated();
    const { client, calls } = await open(backend);
    const { id: sandboxId } = await client.create(data);
    const { fileSystemSnapshotId: id } = await calls.take({ sandboxId });
    const notReady = { code: Code.FAILED_PRECONDITION, reason: 'CWSANDBOX_FSS_NOT_READY' };
    expect(await failureOf(calls.restore(id))).toMatchObject(notReady);
    const { client: other, calls: broken } = await open(failing(new Error('no tar')));
    const failed = await broken.take({ sandboxId: (await other.create(data)).id });
    expect(await failureOf(broken.restore(failed.fileSystemSnapshotId))).toMatchObject(notReady);

    await calls.template('one');
    const spec = restoring(id);
    expect(await failureOf(calls.fromTemplate('one', spec))).toMatchObject(notReady);
    gate.next();
    await calls.settled(id);
    expect(await calls.fromTemplate('one', spec)).toMatchObject({ sourceTemplateRevision: 1n });
  });

  it('that could not be taken says why; our client says it by the same error', async () => {
    const error = new SandboxFileError('no_space', 'the disk is full', { path: '/data' });
    const { client, calls } = await open(failing(error));
    const { id: sandboxId } = await client.create(data);
    const { fileSystemSnapshotId: id } = await calls.take({ sandboxId });
    expect(await calls.settled(id)).toMatchObject({
      ...{ state: SNAPSHOT_STATE_FAILED, stateReason: '/data: the disk is full' },
      ...{ sizeBytes: 0n, completeTime: undefined },
    });
    const { snapshots } = client.backend;
    expect(await failureOf(firstValueFrom(snapshots.take({ sandboxId })))).toMatchObject({
      ...{ code: 'ERR_FILE', reason: 'no_space', path: '/data', sandboxId },
    });
    expect(await failureOf(firstValueFrom(snapshots.get(id)))).toMatchObject({
      ...{ code: 'ERR_NOT_FOUND', snapshotId: id },
    });
  });

  it('that is deleted while it is being taken is not taken', async () => {
    const { backend, waiting } = gated();
    const { client, calls } = await open(backend);
    const { id: sandboxId } = await client.create(data);
    const { fileSystemSnapshotId: id } = await calls.take({ sandboxId });
    expect(waiting()).toBe(1);
    expect(await calls.delete(id)).toMatchObject({
      fileSystemSnapshotId: id,
      state: SnapshotState.SNAPSHOT_STATE_DELETING,
    });
    expect(waiting()).toBe(0);
    expect(await failureOf(calls.get(id))).toMatchObject({ code: Code.NOT_FOUND });
  });

  it('that nobody waits for any more leaves nothing', async () => {
    const { backend, waiting } = gated();
    const { client, calls } = await open(backend);
    const { id: sandboxId } = await client.create(data);
    const asked = client.backend.snapshots.take({ sandboxId }).subscribe();
    await eventually('it is being taken', () => waiting() === 1);
    asked.unsubscribe();
    await eventually(
      'it is gone',
      async () => (await calls.list()).fileSystemSnapshots.length === 0,
    );
    expect(waiting()).toBe(0);
  });

  it('is found in pages, by its sandbox', async () => {
    const { client, calls } = await open(memory());
    const [one, two] = [await client.create(data), await client.create(data)];
    const ids: string[] = [];
    for (const { id: sandboxId } of [one, two, one, one]) {
      ids.push((await calls.take({ sandboxId })).fileSystemSnapshotId);
    }
    const idsOf = ({ fileSystemSnapshots }: ListFileSystemSnapshotsResponse) =>
      fileSystemSnapshots.map(({ fileSystemSnapshotId }) => fileSystemSnapshotId);
    expect(idsOf(await calls.list())).toEqual(ids);
    const request = { sourceSandboxId: one.id, pageSize: 1 };
    const first = await calls.list(request);
    // One that goes between two pages shifts no other.
    await calls.delete(ids[0] ?? '');
    const second = await calls.list({ ...request, pageToken: first.nextPageToken });
    expect([idsOf(first), idsOf(second)]).toEqual([[ids[0]], [ids[2]]]);
    const infos = await firstValueFrom(client.backend.snapshots.list({ sandboxId: one.id }));
    expect(infos.id).toBe(ids[2]);
  });

  it('is refused by a host whose backend keeps none, volumes too', async () => {
    const backend = memory();
    const capabilities = { ...backend.capabilities, snapshots: false };
    const { client, calls } = await open(Object.assign(backend, { capabilities }));
    const lacking = { code: Code.UNIMPLEMENTED, reason: 'CWSANDBOX_FSS_NOT_SUPPORTED' };
    const { id: sandboxId } = await client.create();
    for (const call of [
      calls.take({ sandboxId }),
      calls.get('any'),
      calls.list(),
      calls.delete('any', true),
      calls.restore(''),
      calls.stop({ sandboxId, snapshotVolumes: ['data'] }),
    ]) {
      const refusal = await failureOf(call);
      expect(refusal).toMatchObject(lacking);
      expect(String(refusal)).toMatch(/--data/);
    }
    expect(await failureOf(client.create(data))).toMatchObject({
      ...{ code: 'ERR_UNSUPPORTED', capability: 'snapshots' },
    });
  });
});

describe('a sandbox that leaves snapshots', () => {
  const both: SandboxSpec = {
    volumes: [
      { name: 'data', mountPath: '/data' },
      { name: 'more', mountPath: '/more' },
    ],
  };

  it('is drained first, then they are taken in order, then it is ended', async () => {
    const steps: string[] = [];
    const { backend, gate, waiting } = gated();
    const told = taking(
      (take$) => (request) => {
        steps.push(`take ${request.volume ?? ''}`);
        return take$(request);
      },
      backend,
    );
    const signal = told.signal.bind(told);
    const gone = told.delete.bind(told);
    Object.assign(told, {
      signal: (request: Parameters<SandboxBackend['signal']>[0]) => {
        steps.push(request.signal);
        return signal(request);
      },
      delete: (id: string) => {
        steps.push('delete');
        return gone(id);
      },
    });
    const { client, calls } = await open(told);
    const { id: sandboxId } = await client.create({ ...both, command: ['reportTerm'] });
    const request = {
      ...{ sandboxId, snapshotVolumes: ['more', 'data'], gracePeriodSeconds: 100, requestId: 'r' },
    };
    const answer = await calls.stop(request);
    expect(answer.sandbox?.status).toMatchObject({ state: State.STATE_TERMINATING });
    const [more = '', ofData = ''] = answer.fileSystemSnapshotIds;
    expect(await calls.get(more)).toMatchObject({
      ...{ sourceVolumeName: 'more', state: SNAPSHOT_STATE_CREATING, requestId: '' },
      trigger: SnapshotTrigger.SNAPSHOT_TRIGGER_ON_DELETE,
    });
    expect(await calls.get(ofData)).toMatchObject({ sourceVolumeName: 'data' });
    for (const id of [more, ofData]) {
      await eventually('it is about to be taken', () => waiting() === 1);
      // Asked for again, it does nothing more.
      expect((await calls.stop(request)).fileSystemSnapshotIds).toEqual([more, ofData]);
      gate.next();
      expect(await calls.settled(id)).toMatchObject({ state: SNAPSHOT_STATE_READY });
    }
    await eventually('it is over', async () => {
      const { status } = await calls.sandbox(sandboxId);
      return status?.state === State.STATE_COMPLETED;
    });
    expect(steps).toEqual(['SIGTERM', 'take more', 'take data', 'delete']);
    expect((await calls.stop(request)).fileSystemSnapshotIds).toEqual([more, ofData]);
    const reused = { ...request, snapshotVolumes: ['data', 'more'] };
    expect(await failureOf(calls.stop(reused))).toMatchObject({ code: Code.INVALID_ARGUMENT });
  });

  it('ends whatever comes of them', async () => {
    const { client, calls } = await open(failing(new Error('no tar')));
    const { id: sandboxId } = await client.create(both);
    const request = { sandboxId, snapshotVolumes: ['data', 'more'] };
    const { fileSystemSnapshotIds: ids } = await calls.stop(request);
    await eventually('it is over', async () => {
      const { status } = await calls.sandbox(sandboxId);
      return status?.state === State.STATE_COMPLETED;
    });
    for (const id of ids) {
      expect(await calls.get(id)).toMatchObject({
        ...{ state: SNAPSHOT_STATE_FAILED, stateReason: 'no tar' },
      });
    }
  });

  it.each([
    ['unknown', ['data', 'absent']],
    ['there twice', ['data', 'data']],
    ['empty', ['']],
  ])('goes on when a name is %s', async (_, snapshotVolumes) => {
    const { client, calls } = await open(memory());
    const { id: sandboxId } = await client.create(both);
    expect(await failureOf(calls.stop({ sandboxId, snapshotVolumes }))).toMatchObject({
      ...{ code: Code.INVALID_ARGUMENT, reason: 'CWSANDBOX_INVALID_REQUEST' },
    });
    expect((await calls.list()).fileSystemSnapshots).toEqual([]);
    const { status } = await calls.sandbox(sandboxId);
    expect(status).toMatchObject({ state: State.STATE_RUNNING });
  });

  it('is refused when it no longer runs; one that is not there may be missing', async () => {
    const { client, calls } = await open(memory());
    const sandbox = await client.create(both);
    await sandbox.stop();
    const request = { sandboxId: sandbox.id, snapshotVolumes: ['data'] };
    expect(await failureOf(calls.stop(request))).toMatchObject({
      ...{ code: Code.FAILED_PRECONDITION, reason: 'CWSANDBOX_SANDBOX_NOT_RUNNING' },
    });
    const absent = { ...request, sandboxId: 'absent' };
    expect(await calls.stop({ ...absent, allowMissing: true })).toEqual({
      ...{ sandbox: undefined, fileSystemSnapshotIds: [] },
    });
    expect(await failureOf(calls.stop(absent))).toMatchObject({ code: Code.NOT_FOUND });
  });
});
