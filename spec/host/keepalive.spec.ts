import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { FaultyWay } from '../support/faulty-way.js';
import { metricsOf, metricsUntil } from '../support/metrics.js';
import { Harness } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

/** A way to a host on which things go wrong. */
async function wayTo(url: string): Promise<FaultyWay> {
  const way = await FaultyWay.to(url);
  harness.closing(() => {
    way.close();
  });
  return way;
}

const quick = { keepaliveMs: 1000, keepaliveTimeoutMs: 1000 };

describe('keepalive', () => {
  it('tells the host that a caller is gone: its run is ended', async () => {
    const { host, url } = await harness.listening({ ...quick, metricsPort: 0 });
    const way = await wayTo(url);
    const sandbox = await harness.client({ url: way.url }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    const metricsUrl = host.metricsUrl ?? '';
    expect(await metricsOf(metricsUrl)).toMatchObject({ sandboxrx_runs_live: 1 });
    way.fallSilent();
    // Neither run nor connection is left.
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_connections: 0 });
  });

  it('tells the caller that the host is gone: the outcome of the run is not known', async () => {
    const { url } = await harness.listening();
    const way = await wayTo(url);
    const sandbox = await harness.client({ url: way.url, ...quick }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    way.fallSilent();
    await expect(run).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
  });
});
