import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { EMPTY, ignoreElements, merge, tap } from 'rxjs';
import type { SandboxBackend } from 'sandbox-rx';
import type { HostOptions, Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import {
  ExecStreamRequest,
  SandboxServiceDefinition,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { elapsed, eventually } from '../contract/kit.js';
import { alteredBackend } from '../support/altered-backend.js';
import { FaultyWay } from '../support/faulty-way.js';
import { metricsOf, metricsUntil } from '../support/metrics.js';
import { Harness, memory } from './harness.js';
import {
  framesOf,
  sandboxService,
  textOf,
  TunnelClient,
  webSocketTo,
  type Asking,
  type WatchedCall,
} from './tunnel-client.js';

const harness = new Harness();
afterEach(() => {
  jest.restoreAllMocks();
  return harness.close();
});

const { methods } = SandboxServiceDefinition;

const file = { path: 'large', container: '' };

/** A host and its metrics, and how its tunnel is reached. */
async function hosted(options: HostOptions = {}, backend?: SandboxBackend) {
  const { host, url } = await harness.listening({ metricsPort: 0, ...options }, backend);
  return { host, url, tunnelUrl: host.tunnelUrl ?? '', metricsUrl: host.metricsUrl ?? '' };
}

/** A client of a tunnel that is connected. */
async function connected(host: Host, asking: Asking = {}): Promise<TunnelClient> {
  const client = new TunnelClient();
  harness.closing(() => {
    client.close();
  });
  await client.connect(host.tunnelUrl ?? '', asking);
  await client.until('connected');
  return client;
}

/** A way to a host's tunnel on which things go wrong. */
async function wayTo(url: string): Promise<FaultyWay> {
  const way = await FaultyWay.to(url);
  harness.closing(() => {
    way.close();
  });
  return way;
}

const tunnelOf = (way: FaultyWay): string => `${way.url.replace('http', 'ws')}/v1/tunnel`;

function input(text: string): readonly Uint8Array[] {
  const message = { $case: 'stdin', value: Buffer.from(text) } as const;
  return [ExecStreamRequest.encode({ message }).finish()];
}

/** Settles when a run has begun to write. */
async function writes(run: WatchedCall): Promise<void> {
  await run.until(() => framesOf(run).some(({ $case }) => $case === 'output'));
}

describe('a call of a tunnel', () => {
  it('with one request is answered, and marked as that of a host of ours', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    const id = await client.sandbox();
    const { code, response } = await client.unary(methods.getSandbox, { sandboxId: id });
    expect(code).toBe(status.OK);
    expect(response?.sandboxId).toBe(id);
  });

  it('fails with the details that gRPC has', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    const absent = await client.unary(methods.getSandbox, { sandboxId: 'absent' });
    expect(absent).toEqual({ code: status.NOT_FOUND, reason: 'CWSANDBOX_SANDBOX_NOT_FOUND' });
  });

  it.each([
    ['no request', [], /there is none/],
    ['two requests', [[], []], /there is more than one/],
    ['what is no request', [[0xff, 0xff, 0xff]], /request: /],
  ])('with %s is refused', async (_what, requests: readonly number[][], text) => {
    const { host } = await hosted();
    const client = await connected(host);
    const watched = client.open(`/${sandboxService}/GetSandbox`);
    for (const request of requests) watched.call.send([Uint8Array.from(request)]);
    watched.call.halfClose();
    expect(await watched.ended()).toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringMatching(text),
      reason: 'CWSANDBOX_INVALID_REQUEST',
    });
  });

  it('of no method that there is is UNIMPLEMENTED', async () => {
    const { host, metricsUrl } = await hosted();
    const client = await connected(host);
    const watched = client.open('/no.Service/Such');
    expect(await watched.ended()).toMatchObject({ code: status.UNIMPLEMENTED });
    const names = Object.keys(await metricsOf(metricsUrl));
    expect(names.filter((name) => name.includes('no.Service'))).toEqual([]);
  });

  it('is counted and logged as one of gRPC is, without secrets', async () => {
    const lines: string[] = [];
    const log = (fields: object, message: string) =>
      void lines.push(`${message} ${JSON.stringify(fields)}`);
    const tokens = [{ name: 'ada', token: 'token-of-ada' }];
    const { host, metricsUrl } = await hosted({
      ...{ tokens, logger: { info: log, warn: log, error: log } },
    });
    const client = await connected(host, { token: 'token-of-ada' });
    await client.unary(methods.getSandbox, { sandboxId: 'absent' });
    await metricsUntil(metricsUrl, {
      'sandboxrx_token_calls_total{token="ada",code="NOT_FOUND"}': 1,
      sandboxrx_tunnels: 1,
      sandboxrx_tunnel_sessions: 1,
    });
    client.close();
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_tunnel_sessions: 0 });
    expect(lines.filter((line) => line.startsWith('call failed'))).toEqual([
      expect.stringContaining('"code":"NOT_FOUND"'),
    ]);
    expect(lines.map((line) => line.split(' {')[0])).toEqual([
      ...['listening', 'tunnel opened', 'call failed', 'tunnel closed'],
    ]);
    expect(lines.join()).toContain('"token":"ada"');
    expect(lines.join()).not.toContain('token-of');
  });

  it('counts against the limits', async () => {
    const { host } = await hosted({ limits: { maxRuns: 1 } });
    const client = await connected(host);
    const id = await client.sandbox();
    await writes(client.run(id, ['reportTerm']));
    expect(await client.run(id, ['echoBoth']).ended()).toMatchObject({
      ...{ code: status.RESOURCE_EXHAUSTED, reason: 'SANDBOXRX_LIMIT' },
    });
  });

  it('that runs a command streams both ways', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['cat']);
    for (let index = 0; index < 100; index++) run.call.send(input(`line ${index}\n`));
    run.call.halfClose();
    expect(await run.ended()).toMatchObject({ code: status.OK });
    expect(textOf(run)).toBe(Array.from({ length: 100 }, (_, n) => `line ${n}\n`).join(''));
    expect(framesOf(run).at(-1)).toMatchObject({ $case: 'exit', value: { exitCode: 0 } });
  });

  it('that streams logs is answered', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    const watched = client.open(`/${sandboxService}/StreamLogs`);
    const request = methods.streamLogs.requestType.fromPartial({ sandboxId: 'absent' });
    watched.call.send([methods.streamLogs.requestType.encode(request).finish()]);
    watched.call.halfClose();
    expect((await watched.ended()).code).not.toBe(status.UNIMPLEMENTED);
  });

  it('whose client gives it up ends its run', async () => {
    const { host, metricsUrl } = await hosted();
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['reportTerm']);
    await writes(run);
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 1 });
    run.call.cancel();
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_streams_open: 0 });
  });

  it('whose deadline passes ends with DEADLINE_EXCEEDED, and its run with it', async () => {
    const { host, metricsUrl } = await hosted();
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['reportTerm'], { timeoutMs: 50 });
    expect(await run.ended()).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      reason: expect.any(String),
    });
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_streams_open: 0 });
  });

  it('whose deadline passes before its client has read the answer keeps none of it', async () => {
    const { host, url } = await hosted();
    const sandbox = await harness.client({ url }).create();
    await sandbox.files.write('large', new Uint8Array(4_194_304));
    const client = await connected(host);
    const other = await connected(host);
    client.webSocket?.pause();
    const { requestType } = methods.readFile;
    const read = client.open(`/${sandboxService}/ReadFile`, { timeoutMs: 1000 });
    read.call.send([requestType.encode({ ...file, sandboxId: sandbox.id }).finish()]);
    read.call.halfClose();
    // A deadline that began later has passed too.
    expect(await other.run(sandbox.id, ['sleep'], { timeoutMs: 1500 }).ended()).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    client.webSocket?.resume();
    expect(await read.ended()).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(read.messages).toEqual([]);
  });

  it('whose request does not end, or whose answer is not taken, is not kept for ever', async () => {
    // As if it were five minutes.
    const set = globalThis.setInterval;
    const hurried = (work: () => void, ms?: number) => set(work, ms === 300_000 ? 500 : ms);
    jest.spyOn(globalThis, 'setInterval').mockImplementation(hurried);
    const { host, url } = await hosted();
    const sandbox = await harness.client({ url }).create();
    await sandbox.files.write('large', new Uint8Array(4_194_304));
    const client = await connected(host);
    const other = await connected(host);
    const { readFile, streamLogs } = methods;
    const request = [readFile.requestType.encode({ ...file, sandboxId: sandbox.id }).finish()];
    client.webSocket?.pause();
    const read = client.open(`/${sandboxService}/ReadFile`);
    read.call.send(request);
    read.call.halfClose();
    const open = [readFile, streamLogs].map(({ name }) => other.open(`/${sandboxService}/${name}`));
    open[0]?.call.send(request);
    const run = other.run(sandbox.id, ['sleep']);
    const late = { code: status.DEADLINE_EXCEEDED, reason: expect.any(String) };
    for (const call of open) expect(await call.ended()).toMatchObject(late);
    // What goes both ways may take its time.
    await elapsed(1000);
    expect(run.end).toBeUndefined();
    client.webSocket?.resume();
    expect(await read.ended()).toMatchObject(late);
    expect(read.messages).toEqual([]);
  });

  it('whose process reads nothing makes its client wait, however small what it sends', async () => {
    const backend = memory();
    let handed = 0;
    const exec: SandboxBackend['exec'] = ({ stdin$ = EMPTY, ...request }) => {
      // Nobody says that it was taken.
      const unread$ = stdin$.pipe(
        tap(() => (handed += 1)),
        ignoreElements(),
      );
      return merge(unread$, backend.exec(request));
    };
    const { host } = await hosted({}, alteredBackend(backend, { exec }));
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['sleep']);
    await run.until(() => run.messages.length > 0);
    for (let count = 0; count < 20_000; count += 1) run.call.send(input(''));
    for (let count = 0; count < 40_000; count += 1) run.call.send(input('x'));
    // A mebibyte, with what each costs.
    await eventually('it is full', () => handed >= 16_000);
    expect((await client.unary(methods.getSandbox, { sandboxId: 'absent' })).code).toBe(5);
    expect(handed).toBeLessThan(17_000);
  });

  it('whose reader pauses makes the process wait, and loses nothing', async () => {
    const { host, metricsUrl } = await hosted({}, localBackend({ isolation: 'none' }));
    const client = await connected(host);
    const command = ['head', '-c', '50000000', '/dev/zero'];
    const run = client.run(await client.sandbox(), command);
    await writes(run);
    run.call.pause(true);
    await metricsUntil(metricsUrl, { sandboxrx_runs_paused: 1 });
    const { bytes } = run;
    expect(bytes).toBeLessThan(50_000_000);
    const kept = (await metricsOf(metricsUrl))['sandboxrx_tunnel_unacked_bytes'] ?? Infinity;
    expect(kept).toBeLessThanOrEqual(9_000_000);
    // Another call is in nobody's way.
    expect((await client.unary(methods.getSandbox, { sandboxId: 'absent' })).code).toBe(5);
    expect(run.bytes).toBe(bytes);
    run.call.pause(false);
    expect(await run.ended()).toMatchObject({ code: status.OK });
    expect(textOf(run)).toHaveLength(50_000_000);
  });
});

describe('a tunnel', () => {
  it('whose connection is cut goes on over another, and loses nothing', async () => {
    const { host, url } = await hosted();
    const way = await wayTo(url);
    const client = new TunnelClient();
    harness.closing(() => {
      client.close();
    });
    await client.connect(tunnelOf(way));
    await client.until('connected');
    const run = client.run(await client.sandbox(), ['count']);
    for (let cut = 0; cut < 5; cut++) {
      client.told.length = 0;
      way.cutAt({
        ...{ direction: 'toClient', kind: 'reset', forGood: false },
        bytes: way.passed.toClient + 20_000,
      });
      await Promise.race([client.until('disconnected'), run.ended()]);
      if (run.end !== undefined) break;
      await client.connect(tunnelOf(way));
      await client.until('resumed');
    }
    expect(await run.ended()).toMatchObject({ code: status.OK });
    expect(textOf(run)).toBe(Array.from({ length: 100_000 }, (_, n) => `${n + 1}\n`).join(''));
    expect(host.tunnelUrl).toMatch(/^ws:/);
  });

  it('that nobody comes back to ends, and its runs with it', async () => {
    const { host, metricsUrl } = await hosted({ tunnelGraceMs: 100 });
    const client = await connected(host);
    await writes(client.run(await client.sandbox(), ['reportTerm']));
    client.webSocket?.terminate();
    await metricsUntil(metricsUrl, { sandboxrx_tunnel_sessions: 0, sandboxrx_runs_live: 0 });
  });

  it('is not resumed by another caller', async () => {
    const tokens = ['ada', 'eve'].map((name) => ({ name, token: `token-of-${name}` }));
    const { host, tunnelUrl } = await hosted({ tokens });
    const client = await connected(host, { token: 'token-of-ada' });
    const run = client.run(await client.sandbox(), ['reportTerm']);
    await writes(run);
    client.webSocket?.terminate();
    await client.until('disconnected');
    await client.connect(tunnelUrl, { token: 'token-of-eve' });
    await client.until('disconnected forbidden');
    expect(run.lost).toBe('forbidden');
  });

  it('is resumed with the token that its caller shows now', async () => {
    const tokens = [{ name: 'ada', token: 'token-of-ada' }];
    const { host, tunnelUrl } = await hosted({ tokens });
    const client = await connected(host, { token: 'token-of-ada' });
    const id = await client.sandbox();
    client.webSocket?.terminate();
    await client.until('disconnected');
    await client.connect(tunnelUrl, { headers: { authorization: 'Bearer token-of-ada' } });
    await client.until('resumed');
    expect(await client.unary(methods.getSandbox, { sandboxId: id })).toMatchObject({ code: 0 });
  });

  it.each([
    ['text', (): string => 'hello', 1003],
    ['what is no packet', (): Buffer => Buffer.from([0xff, 0xff, 0xff]), 4002],
    ['a packet that is too large', (): Buffer => Buffer.alloc(100_000), 1009],
  ])('of a client that sends %s is closed', async (_what, sent, code) => {
    const { host, metricsUrl } = await hosted();
    const webSocket = await webSocketTo(host.tunnelUrl ?? '');
    webSocket.send(sent());
    const [closedWith] = (await once(webSocket, 'close')) as [number];
    expect(closedWith).toBe(code);
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_connections: 0 });
  });

  it('of a client that does not greet is closed', async () => {
    const { host, metricsUrl } = await hosted({ handshakeMs: 100 });
    const webSocket = await webSocketTo(host.tunnelUrl ?? '');
    const [closedWith] = (await once(webSocket, 'close')) as [number];
    expect(closedWith).toBe(4011);
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_connections: 0 });
  });

  it('of a client that falls silent is closed', async () => {
    const { url, metricsUrl } = await hosted({ keepaliveMs: 1000 });
    const way = await wayTo(url);
    const client = new TunnelClient();
    harness.closing(() => {
      client.close();
    });
    await client.connect(tunnelOf(way));
    await client.until('connected');
    way.fallSilent();
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_tunnel_sessions: 1 });
  }, 20_000);

  it('answers pings of WebSocket', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    client.webSocket?.ping('there?');
    const [data] = (await once(client.webSocket ?? process, 'pong')) as [Buffer];
    expect(data.toString()).toBe('there?');
  });

  it('is compressed where the host and the client want it', async () => {
    const { host } = await hosted({ compressTunnels: true });
    const client = await connected(host, { perMessageDeflate: true });
    expect(client.webSocket?.extensions).toContain('permessage-deflate');
    const run = client.run(await client.sandbox(), ['count']);
    await run.ended();
    expect(textOf(run)).toHaveLength(588_895);
    const plain = await hosted();
    const other = await connected(plain.host, { perMessageDeflate: true });
    expect(other.webSocket?.extensions).toBe('');
  });
});

describe('a host with tunnels', () => {
  it('drains them: what is open goes on, nothing begins, and then they end', async () => {
    const { host, metricsUrl } = await hosted();
    const client = await connected(host);
    const id = await client.sandbox();
    const run = client.run(id, ['cat']);
    await run.until(() => run.messages.length > 0);
    const idle = await connected(host);
    const drained = host.drain({ graceMs: 60_000 });
    await client.until('draining');
    await idle.until('disconnected drained');
    const late = client.run(id, ['echoBoth']);
    expect(late.lost).toBe('drained, not sent');
    run.call.send(input('still here\n'));
    run.call.halfClose();
    expect(await run.ended()).toMatchObject({ code: status.OK });
    expect(textOf(run)).toBe('still here\n');
    await client.until('disconnected drained');
    await drained;
    await expect(metricsOf(metricsUrl)).rejects.toThrow();
  });

  it('tells the calls that do not end in time how they ended', async () => {
    const { host } = await hosted();
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['reportTerm']);
    await writes(run);
    await host.drain({ graceMs: 50 });
    expect(await run.ended()).toMatchObject({ code: status.UNAVAILABLE });
    await client.until('disconnected drained');
  });

  it('closes them with all else, and leaves nothing', async () => {
    const { host, tunnelUrl } = await hosted();
    const client = await connected(host);
    const run = client.run(await client.sandbox(), ['reportTerm']);
    await writes(run);
    await host.close();
    await client.until('disconnected closed');
    expect(run.lost).toBe('closed');
    await expect(webSocketTo(tunnelUrl)).rejects.toThrow(/ECONNREFUSED/);
    await eventually('no socket is left', () => Promise.resolve(socketsLeft() === 0));
  });
});

function socketsLeft(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
}
