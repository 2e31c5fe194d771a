import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandboxClient } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { grpcBackend, localBackend, type ConnectedBackend } from 'sandbox-rx/node';
import { failureOf } from '../contract/kit.js';
import { hostProcess } from './harness.js';

const directories: string[] = [];
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function dataDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-host-'));
  directories.push(directory);
  return directory;
}

function connected(url: string): { backend: ConnectedBackend; client: SandboxClient } {
  const backend = grpcBackend({ url });
  ends.push(() => {
    backend.close();
  });
  return { backend, client: new SandboxClient(backend) };
}

async function hosted(options: HostOptions): Promise<{ host: Host; client: SandboxClient }> {
  const host = new Host(localBackend({ isolation: 'none' }), options);
  const url = await host.listen();
  ends.push(() => host.close().result());
  return { host, client: connected(url).client };
}

describe('a host with a data directory', () => {
  it('knows after a restart what there was, how it ended, and gives its ids to nobody else', async () => {
    const directory = dataDirectory();
    const first = await hosted({ dataDirectory: directory });
    const good = await first.client.create({ id: 'good', tags: ['red'], command: ['true'] });
    await good.wait();
    await first.client.create({ id: 'live', tags: ['blue'] });
    await first.host.close();

    const { client } = await hosted({ dataDirectory: directory });
    const list = await client.list();
    expect(list.map(({ id, status, tags }) => [id, status, tags])).toEqual([
      ['good', 'completed', ['red']],
      ['live', 'stopped', ['blue']],
    ]);
    expect(list[0]).toMatchObject({ returncode: 0 });
    expect(await failureOf(client.create({ id: 'live' }))).toMatchObject({
      code: 'ERR_VALIDATION',
    });
    const live = await client.get('live');
    expect(await failureOf(live.exec(['true']).result())).toMatchObject({
      code: 'ERR_SANDBOX_OVER',
    });
    await live.delete();
    expect((await client.list()).map(({ id }) => id)).toEqual(['good']);
  });

  it('that was killed marks what died with it', async () => {
    const directory = dataDirectory();
    const { child, url } = await hostProcess(directory);
    ends.push(() => child.kill('SIGKILL'));
    const sandbox = await connected(url).client.create({ id: 'one', command: ['sleep', '60'] });
    expect(await sandbox.status()).toMatchObject({ status: 'running' });
    child.kill('SIGKILL');
    await once(child, 'exit');

    const { client } = await hosted({ dataDirectory: directory });
    const [one] = await client.list();
    expect(one).toMatchObject({ id: 'one', status: 'stopped', reason: 'it died with its host' });
  });

  it('forgets what it has deleted', async () => {
    const directory = dataDirectory();
    const first = await hosted({ dataDirectory: directory });
    await (await first.client.create({ id: 'gone' })).delete();
    await first.host.close();
    expect(await (await hosted({ dataDirectory: directory })).client.list()).toEqual([]);
  });

  it('is refused while another host has it', async () => {
    const directory = dataDirectory();
    await hosted({ dataDirectory: directory });
    const second = new Host(localBackend({ isolation: 'none' }), { dataDirectory: directory });
    expect(await failureOf(second.listen())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    await second.close();
  });
});
