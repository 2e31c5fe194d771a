import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { firstValueFrom } from 'rxjs';
import type { Logger } from 'sandbox-rx/host';
import { metricsOf, metricsUntil, type MetricValues } from '../support/metrics.js';
import { failureOf, Harness } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

const tokens = [{ name: 'ada', token: 'token-of-ada' }];

/** A host with metrics, and a client of it. */
async function measured(options = {}) {
  const { host, url } = await harness.listening({ tokens, metricsPort: 0, ...options });
  const get = (path: string, init = {}) => fetch(`${host.metricsUrl ?? ''}${path}`, init);
  const metrics = () => metricsOf(host.metricsUrl ?? '');
  const until = (values: MetricValues) => metricsUntil(host.metricsUrl ?? '', values);
  return { host, url, get, metrics, until, client: harness.client({ url, token: 'token-of-ada' }) };
}

describe('metrics', () => {
  it('count sandboxes, runs, bytes, calls, streams and connections', async () => {
    const { client, url, until } = await measured();
    const sandbox = await client.create();
    await sandbox.exec(['echoBoth']);
    await sandbox.exec(['exit3']);
    await sandbox.exec(['absent']).then(undefined, () => undefined);
    const cat = sandbox.exec(['cat'], { stdin: true });
    cat.stdin?.write('12345');
    await firstValueFrom(cat.stdout$);
    await failureOf(url, { authorization: 'Bearer wrong' });
    await until({
      'sandboxrx_sandboxes{state="running"}': 1,
      'sandboxrx_sandboxes{state="over"}': 0,
      sandboxrx_sandboxes_created_total: 1,
      sandboxrx_runs_live: 1,
      sandboxrx_runs_paused: 0,
      'sandboxrx_runs_ended_total{outcome="succeeded"}': 1,
      'sandboxrx_runs_ended_total{outcome="failed"}': 1,
      'sandboxrx_runs_ended_total{outcome="not_started"}': 1,
      'sandboxrx_output_bytes_total{stream="stdout"}': 9,
      'sandboxrx_output_bytes_total{stream="stderr"}': 4,
      sandboxrx_input_bytes_total: 5,
      sandboxrx_streams_open: 1,
      sandboxrx_connections: 1,
      'sandboxrx_token_calls_total{token="ada",code="OK"}': 4,
      'sandboxrx_call_duration_seconds_count{method="coreweave.sandbox.v1.SandboxService/StreamExec",code="OK"}': 3,
      'sandboxrx_call_duration_seconds_count{method="coreweave.sandbox.v1.SandboxService/GetSandbox",code="UNAUTHENTICATED"}': 1,
    });
    cat.cancel();
    await cat.closed;
    await until({
      sandboxrx_runs_live: 0,
      sandboxrx_streams_open: 0,
      'sandboxrx_runs_ended_total{outcome="cancelled"}': 1,
    });
  });

  it('count snapshots and what they hold', async () => {
    const { client, until } = await measured();
    const sandbox = await client.create({ volumes: [{ name: 'data', mountPath: '/data' }] });
    await sandbox.files.write('/data/a', '12345');
    const { id } = await sandbox.snapshot();
    await until({
      'sandboxrx_snapshots{state="creating"}': 0,
      'sandboxrx_snapshots{state="ready"}': 1,
      'sandboxrx_snapshots{state="failed"}': 0,
      sandboxrx_snapshot_bytes: 5,
    });
    await client.snapshots.delete(id);
    await until({ 'sandboxrx_snapshots{state="ready"}': 0, sandboxrx_snapshot_bytes: 0 });
  });

  it('tell of a run whose reader is behind', async () => {
    const { client, until } = await measured();
    const sandbox = await client.create();
    const run = sandbox.exec(['flood'], { overflow: 'backpressure' });
    await run.stdout[Symbol.asyncIterator]().next();
    await until({ sandboxrx_runs_live: 1, sandboxrx_runs_paused: 1 });
    run.cancel();
    await until({ sandboxrx_runs_live: 0, sandboxrx_runs_paused: 0 });
  });

  it("are each host's own", async () => {
    const [one, other] = [await measured(), await measured()];
    await one.client.create();
    expect((await one.metrics())['sandboxrx_sandboxes_created_total']).toBe(1);
    expect((await other.metrics())['sandboxrx_sandboxes_created_total']).toBe(0);
  });

  it('come over HTTP on loopback, beside the health of the host', async () => {
    const { host, client, get } = await measured();
    expect(host.metricsUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await (await get('/healthz')).text()).toBe('ok\n');
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics', { method: 'POST' })).status).toBe(405);
    const sandbox = await client.create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    host.drain({ graceMs: 60_000 });
    const draining = await get('/healthz');
    expect([draining.status, await draining.text()]).toEqual([503, 'draining\n']);
  });

  it('are nowhere unless a port is given', async () => {
    const { host } = await harness.listening();
    expect(host.metricsUrl).toBeUndefined();
  });
});

describe('logs', () => {
  /** Keeps what is told. */
  function recorder() {
    const told: Record<string, unknown>[] = [];
    const at = (level: string) => (fields: object, message: string) => {
      told.push({ level, message, ...fields });
    };
    const logger: Logger = { info: at('info'), warn: at('warn'), error: at('error') };
    const of = (message: string) => told.filter((entry) => entry['message'] === message);
    return { logger, told, of };
  }

  it('tell what happens and to whom', async () => {
    const { logger, of } = recorder();
    const { host, url, client } = await measured({ logger });
    const sandbox = await client.create();
    await client.get('absent').then(undefined, () => undefined);
    await failureOf(url);
    await sandbox.delete();
    await host.drain({ graceMs: 1000 });
    const whose = { sandboxId: sandbox.id, token: 'ada' };
    expect(of('listening')).toMatchObject([{ url, tls: false, tokens: 1 }]);
    expect(of('sandbox created')).toMatchObject([{ level: 'info', ...whose }]);
    expect(of('sandbox ended')).toMatchObject([
      { level: 'info', ...whose, status: 'stopped', durationMs: expect.any(Number) },
    ]);
    const method = '/coreweave.sandbox.v1.SandboxService/GetSandbox';
    expect(of('call failed').slice(0, 2)).toMatchObject([
      { level: 'warn', method, code: 'NOT_FOUND', token: 'ada', sandboxId: 'absent' },
      { level: 'warn', method, code: 'UNAUTHENTICATED', reason: 'SANDBOXRX_UNAUTHENTICATED' },
    ]);
    expect(of('draining')).toHaveLength(1);
    expect(of('closed')).toHaveLength(1);
  });

  it('show no token, command, environment, input, output or file', async () => {
    const { logger, told } = recorder();
    const { host, client, url } = await measured({ logger });
    const sandbox = await client.create({ env: { PASSWORD: 'hush-1' }, tags: ['demo'] });
    await sandbox.exec(['cat', 'hush-2'], { stdin: ['hush-3'], env: { KEY: 'hush-4' } });
    await sandbox.files.write('/file', 'hush-5');
    await sandbox.exec(['hush-6']).then(undefined, () => undefined);
    await sandbox.files.read('/hush-7').then(undefined, () => undefined);
    await failureOf(url, { authorization: 'Bearer hush-8' });
    await sandbox.delete();
    await host.close();
    expect(told.length).toBeGreaterThan(4);
    expect(JSON.stringify(told)).not.toMatch(/hush|token-of|PASSWORD/);
  });
});

describe('a connection', () => {
  it('that is no gRPC hurts nobody', async () => {
    const { url, client, until } = await measured();
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    await client.create();
    await until({ sandboxrx_connections: 1 });
  });
});
