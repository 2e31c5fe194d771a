import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { eventually } from '../contract/kit.js';
import { Harness } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

/** A way to a host that can fall silent, as when a NAT forgets it: nobody is told. */
async function silentableWay(url: string): Promise<{ url: string; fallSilent(): void }> {
  const silenced: (() => void)[] = [];
  const proxy = createServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    silenced.push(() => {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    });
    harness.closing(() => {
      near.destroy();
      far.destroy();
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  harness.closing(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    fallSilent: () => {
      for (const silence of silenced) silence();
    },
  };
}

const quick = { keepaliveMs: 1000, keepaliveTimeoutMs: 1000 };

describe('keepalive', () => {
  it('tells the host that a caller is gone: its run is ended', async () => {
    const { host, url } = await harness.listening({ ...quick, metricsPort: 0 });
    const way = await silentableWay(url);
    const sandbox = await harness.client({ url: way.url }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    way.fallSilent();
    const metrics = async () => (await fetch(`${host.metricsUrl ?? ''}/metrics`)).text();
    let seen = await metrics();
    expect(seen).toContain('sandboxrx_runs_live 1\n');
    const gone = ['sandboxrx_runs_live 0\n', 'sandboxrx_connections 0\n'];
    await eventually('neither run nor connection is left', async () => {
      seen = await metrics();
      return gone.every((line) => seen.includes(line));
    });
  });

  it('tells the caller that the host is gone: the outcome of the run is not known', async () => {
    const { url } = await harness.listening();
    const way = await silentableWay(url);
    const sandbox = await harness.client({ url: way.url, ...quick }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    way.fallSilent();
    await expect(run).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
  });
});
