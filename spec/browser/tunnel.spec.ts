import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { processesWith } from '../backends/local/host.js';
import { eventually } from '../contract/kit.js';
import { FaultyWay } from '../support/faulty-way.js';
import { BrowserPage, describeInChromium } from './chromium.js';

const token = 'token~+/='.repeat(3);

describeInChromium('a page over one WebSocket', () => {
  let opened: BrowserPage;
  let host: Host;
  let way: FaultyWay;

  beforeAll(async () => {
    opened = await BrowserPage.of('spec/browser/tunnel-page.ts');
    host = new Host(localBackend({ isolation: 'none' }), {
      origins: [opened.origin],
      tokens: [{ name: 'page', token }],
    });
    way = await FaultyWay.to(await host.listen());
  });

  afterEach(async () => {
    await run('close()');
  });

  afterAll(async () => {
    await opened.close();
    way.close();
    await host.close();
  });

  const run = (call: string): Promise<unknown> => opened.page.evaluate(`tunnel.${call}`);
  const open = (shown: string | undefined = token): Promise<unknown> =>
    run(`open(${JSON.stringify(way.url)}, ${JSON.stringify(shown)})`);
  const lines = async (): Promise<number> => ((await run('counted()')) as { lines: number }).lines;
  const more = async (): Promise<void> => {
    const before = await lines();
    await eventually('more lines have come', async () => (await lines()) > before + 1000);
  };

  const reconnections = (count: number): Promise<unknown> =>
    eventually('it is connected again', async () => {
      const states = (await run('states()')) as string[];
      const came = states.filter((state) => state === 'reconnecting').length;
      return came === count && states.at(-1) === 'connected';
    });

  it('has many runs at once', async () => {
    await open();
    expect(await run('manyRuns(50)')).toBe(50);
    expect(way.connections).toBe(1);
    expect(await run('states()')).toEqual(['idle', 'connecting', 'connected']);
  });

  it('shows a token, which the host has to know', async () => {
    await open('another');
    expect(await run('failure()')).toBe('ERR_BACKEND_UNAVAILABLE');
    expect(await run('states()')).toEqual(['idle', 'connecting', 'idle']);
  });

  it('reads an output slowly while it holds little of it', async () => {
    await open();
    const { bytes, heapMiB } = (await run('slowReader(128)')) as Record<string, number>;
    expect(bytes).toBe(128 * 1_048_576);
    expect(heapMiB).toBeLessThan(96);
  });

  it('goes on where it was when the connection breaks, and when it was offline', async () => {
    await open();
    await run('startCounting()');
    await more();
    way.cut('reset');
    await more();
    await reconnections(1);
    const context = opened.page.context();
    await context.setOffline(true);
    await context.setOffline(false);
    await reconnections(2);
    await more();
    expect(await run('counted()')).toMatchObject({ isRight: true });
  });

  it('is loaded again, and attaches again to what goes on', async () => {
    await open();
    const sandboxId = JSON.stringify(await run('startDetached()'));
    await more();
    await opened.page.reload();
    await open();
    await run(`attach(${sandboxId})`);
    await more();
    expect(await run('counted()')).toMatchObject({ isRight: true });
    const script = 'sleep 0.1; done';
    expect(processesWith(script)).not.toEqual([]);
    await run(`remove(${sandboxId})`);
    await eventually('it is killed', () => processesWith(script).length === 0);
  });

  it('leaves nothing running behind a run that it cancels, and none behind itself', async () => {
    const counter = 'while :; do n=$((n+1)); echo $n; done';
    await open();
    await run('startCounting()');
    await more();
    await run('stopCounting()');
    await eventually('it is killed', () => processesWith(counter).length === 0);
    await run('startCounting()');
    await more();
    await run('close()');
    await eventually('it is killed', () => processesWith(counter).length === 0);
  });
});
