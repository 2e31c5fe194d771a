import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { SandboxBackend, SandboxClient } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { SnapshotState } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { hostProcess, memory } from './harness.js';
import { Calls, data, gated } from './snapshot-calls.js';

const { SNAPSHOT_STATE_FAILED } = SnapshotState;

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

describe('the snapshots of a host with a data directory', () => {
  const directories: string[] = [];
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });

  function dataDirectory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-host-'));
    directories.push(directory);
    return directory;
  }

  /** A host that can be closed before its time. */
  async function hosted(
    backend: SandboxBackend,
    dataDirectory: string,
  ): Promise<{ host: Host; client: SandboxClient; calls: Calls }> {
    const host = remote.add(new Host(backend, { dataDirectory }), (one) => one.close());
    const url = await host.listen();
    return { host, client: remote.client(url), calls: new Calls(remote.bare(url)) };
  }

  it('are there after a restart, with what asked for them', async () => {
    const [backend, directory] = [memory(), dataDirectory()];
    const first = await hosted(backend, directory);
    const sandbox = await first.client.create(data);
    await sandbox.files.write('/data/a', 'one').result();
    const request = { sandboxId: sandbox.id, requestId: 'r' };
    const kept = await first.calls.take(request);
    const lost = await first.calls.take({ sandboxId: sandbox.id });
    const stop = { sandboxId: sandbox.id, snapshotVolumes: ['data'], requestId: 'r' };
    const { fileSystemSnapshotIds: left } = await first.calls.stop(stop);
    const ready = await first.calls.settled(kept.fileSystemSnapshotId);
    await first.calls.settled(left[0] ?? '');
    await first.host.close();
    const [, second] = await allOf(backend);
    await firstValueFrom(backend.snapshots.delete(second ?? ''), { defaultValue: undefined });

    const { client, calls } = await hosted(backend, directory);
    expect(await calls.get(kept.fileSystemSnapshotId)).toEqual(ready);
    await eventually('the one that is lost is known to be', async () => {
      const { state, stateReason } = await calls.get(lost.fileSystemSnapshotId);
      return state === SNAPSHOT_STATE_FAILED && stateReason === 'its backend has lost it';
    });
    expect(await calls.take(request)).toMatchObject({
      fileSystemSnapshotId: kept.fileSystemSnapshotId,
    });
    expect((await calls.stop(stop)).fileSystemSnapshotIds).toEqual(left);
    const snapshotId = kept.fileSystemSnapshotId;
    const restored = await client.create({
      volumes: [{ name: 'data', mountPath: '/data', snapshotId }],
    });
    expect(await restored.files.readText('/data/a')).toBe('one');
    await calls.delete(snapshotId);
    expect(await allOf(backend)).not.toContain(second);
  });

  it('that were ready are served after a kill; what was being taken then has failed', async () => {
    const directory = dataDirectory();
    const { child, url } = await hostProcess(directory);
    remote.add(child, () => void child.kill('SIGKILL'));
    const volume = { name: 'data', mountPath: 'data' };
    const sandbox = await remote.client(url).create({ volumes: [volume] });
    await sandbox.files.write('data/a', 'one').result();
    const { id: snapshotId } = await sandbox.snapshot();
    await sandbox.exec(['sh', '-c', 'head -c 67108864 /dev/zero >data/big']);
    const request = { sandboxId: sandbox.id, requestId: 'r' };
    const { fileSystemSnapshotId: id } = await new Calls(remote.bare(url)).take(request);
    child.kill('SIGKILL');
    await once(child, 'exit');

    const snapshotDirectory = join(directory, 'snapshots');
    const backend = localBackend({ isolation: 'none', snapshotDirectory });
    const { client, calls } = await hosted(backend, directory);
    expect(await calls.get(id)).toMatchObject({
      ...{ state: SNAPSHOT_STATE_FAILED, stateReason: 'it died with its host', requestId: 'r' },
    });
    expect(await calls.take(request)).toMatchObject({ fileSystemSnapshotId: id });
    const infos = await client.snapshots.list();
    expect(infos).toMatchObject([{ id: snapshotId, sandboxId: sandbox.id }]);
    const restored = await client.create({ volumes: [{ ...volume, snapshotId }] });
    expect(await restored.files.readText('data/a')).toBe('one');
    expect(await allOf(backend)).toHaveLength(1);
  });

  it('that are being taken when it is closed have failed, and do not hold it up', async () => {
    const { backend } = gated();
    const directory = dataDirectory();
    const first = await hosted(backend, directory);
    const [one, two] = [await first.client.create(data), await first.client.create(data)];
    const { fileSystemSnapshotId: id } = await first.calls.take({ sandboxId: one.id });
    const { fileSystemSnapshotIds: left } = await first.calls.stop({
      ...{ sandboxId: two.id, snapshotVolumes: ['data'] },
    });
    await first.host.close();
    const { calls } = await hosted(memory(), directory);
    for (const each of [id, ...left]) {
      expect(await calls.get(each)).toMatchObject({
        ...{ state: SNAPSHOT_STATE_FAILED, stateReason: 'its host was closed' },
      });
    }
  });
});

async function allOf(backend: SandboxBackend): Promise<readonly string[]> {
  const ids: string[] = [];
  await backend.snapshots.list({}).forEach(({ id }) => ids.push(id));
  return ids;
}
