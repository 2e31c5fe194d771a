import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setImmediate as turn } from 'node:timers/promises';
import { SandboxValidationError } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { SandboxServiceDefinition } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { FaultyWay } from '../support/faulty-way.js';
import { metricsUntil } from '../support/metrics.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { Harness, memory } from './harness.js';
import { offered, TunnelClient, webSocketTo, type Asking } from './tunnel-client.js';

const harness = new Harness();
afterEach(() => harness.close());

const tokens = ['ada', 'grace'].map((name) => ({ name, token: `token-of-${name}` }));
const { getSandbox } = SandboxServiceDefinition.methods;

/** A host and its metrics, and how its tunnel is reached. */
async function hosted(options: HostOptions = {}) {
  const { host, url } = await harness.listening({ metricsPort: 0, ...options });
  return { host, url, tunnelUrl: host.tunnelUrl ?? '', metricsUrl: host.metricsUrl ?? '' };
}

/** A bare WebSocket, which is ended with the test. */
async function opened(url: string, asking: Asking = {}) {
  const webSocket = await webSocketTo(url, asking);
  harness.closing(() => {
    webSocket.terminate();
  });
  return webSocket;
}

async function tunnelTo(url: string, asking: Asking = {}): Promise<TunnelClient> {
  const client = new TunnelClient();
  harness.closing(() => {
    client.close();
  });
  await client.connect(url, asking);
  await client.until('connected');
  return client;
}

/** A bare connection, and all that comes back until it ends. */
async function bare(url: string): Promise<{ socket: Socket; rest: () => Promise<string> }> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  const rest = async (): Promise<string> => {
    let text = '';
    for await (const part of socket) text += String(part);
    return text;
  };
  return { socket, rest };
}

/** One HTTP request on a connection of its own. */
async function asked(url: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const sent = request(url, { agent: false, ...options });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response;
}

describe('the token of a tunnel', () => {
  it.each([
    ['as a subprotocol', { token: 'token-of-ada' }],
    ['in a header', { headers: { authorization: 'Bearer token-of-ada' } }],
  ])('is taken %s, and is not told back', async (_where, asking: Asking) => {
    const { tunnelUrl } = await hosted({ tokens });
    const client = await tunnelTo(tunnelUrl, asking);
    expect(client.webSocket?.protocol).toBe('sandbox-rx.v1');
    expect((await client.unary(getSandbox, { sandboxId: 'absent' })).code).toBe(5);
  });

  it.each([
    ['none', '', {}, /wants a token/],
    ['another', '', { token: 'token-of-eve' }, /not one that this host knows/],
    ['one in the query', '?token=token-of-ada&access_token=token-of-ada', {}, /wants a token/],
    ['one that is no base64', '', { protocols: [...offered(), 'sandbox-rx.bearer.-'] }, /token/],
  ])('is refused before there is a tunnel: %s', async (_what, query, asking: Asking, text) => {
    const { tunnelUrl, metricsUrl } = await hosted({ tokens });
    const refused = webSocketTo(`${tunnelUrl}${query}`, asking);
    await expect(refused).rejects.toMatchObject({
      ...{ status: 401, message: expect.stringMatching(text) },
    });
    await expect(refused).rejects.not.toThrow(/token-of/);
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_connections: 0 });
  });

  it('goes with the subprotocol of the tunnel, without which there is none', async () => {
    const { tunnelUrl } = await hosted();
    const refused = webSocketTo(tunnelUrl, { protocols: ['graphql-ws'] });
    await expect(refused).rejects.toMatchObject({ status: 400, message: /sandbox-rx\.v1/ });
  });
});

describe('the origin of a tunnel', () => {
  const origins = ['https://dashboard.example'];

  it.each([
    ['none', { origins }, undefined],
    ['none, where none is allowed', {}, undefined],
    ['one that is allowed', { origins }, 'https://dashboard.example'],
  ])('may be %s', async (_what, options, origin) => {
    const { tunnelUrl } = await hosted(options);
    await opened(tunnelUrl, origin === undefined ? {} : { origin });
  });

  it.each([
    ['another', 'https://evil.example'],
    ['another port', 'https://dashboard.example:8443'],
    ['another scheme', 'http://dashboard.example'],
    ['that of a sandboxed page', 'null'],
  ])('may not be %s', async (_what, origin) => {
    const { tunnelUrl } = await hosted({ origins });
    await expect(webSocketTo(tunnelUrl, { origin })).rejects.toMatchObject({ status: 403 });
  });

  it('may not be that of the host, for a page can point its own name here', async () => {
    const { url, tunnelUrl } = await hosted();
    await expect(webSocketTo(tunnelUrl, { origin: url })).rejects.toMatchObject({ status: 403 });
  });

  it.each(['*', 'dashboard.example', 'https://dashboard.example/', 'https://A.example', 7])(
    'must make sense as an option: %j does not',
    (origin) => {
      expect(() => new Host(memory(), { origins: [origin as string] })).toThrow(
        SandboxValidationError,
      );
    },
  );
});

describe('tunnels', () => {
  it('are no more than there may be, until one is gone', async () => {
    const { tunnelUrl, metricsUrl } = await hosted({ limits: { maxTunnels: 1 } });
    const first = await opened(tunnelUrl);
    await expect(webSocketTo(tunnelUrl)).rejects.toMatchObject({ status: 503 });
    first.terminate();
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0 });
    await opened(tunnelUrl);
  });

  it('are no more of one token than it may have', async () => {
    const { tunnelUrl } = await hosted({ tokens, limits: { maxTunnelsPerToken: 1 } });
    await opened(tunnelUrl, { token: 'token-of-ada' });
    const again = webSocketTo(tunnelUrl, { token: 'token-of-ada' });
    await expect(again).rejects.toMatchObject({ status: 429 });
    await opened(tunnelUrl, { token: 'token-of-grace' });
  });

  it('are of the usual size where the options say only that they say nothing', async () => {
    const limits = { maxMessageBytes: undefined, maxFrameBytes: undefined } as object;
    const { tunnelUrl } = await hosted({ limits });
    const client = await tunnelTo(tunnelUrl);
    const run = client.run(await client.sandbox(), ['count']);
    expect((await run.ended()).code).toBe(0);
    expect(run.bytes).toBeGreaterThan(588_895);
  });

  it('have no more sessions of one token than it may have', async () => {
    const limits = { maxTunnelsPerToken: 1 };
    const { tunnelUrl, metricsUrl } = await hosted({ tokens, limits });
    const lost = await tunnelTo(tunnelUrl, { token: 'token-of-ada' });
    const run = lost.run(await lost.sandbox(), ['sleep']);
    await run.until(() => run.messages.length > 0);
    lost.webSocket?.terminate();
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 0, sandboxrx_tunnel_sessions: 1 });
    const again = new TunnelClient();
    harness.closing(() => {
      again.close();
    });
    await again.connect(tunnelUrl, { token: 'token-of-ada' });
    await again.until('disconnected overloaded');
    await tunnelTo(tunnelUrl, { token: 'token-of-grace' });
  });

  it.each([
    ['in all', 503, { maxTunnels: 1 }],
    ['of one token', 429, { maxTunnelsPerToken: 1 }],
  ])('as many as there may be %s do not keep out whose connection is dead', async (...row) => {
    const [, status, limits] = row;
    const asking = { token: 'token-of-ada' };
    const { url, metricsUrl } = await hosted({ tokens, limits });
    const way = await FaultyWay.to(url);
    harness.closing(() => {
      way.close();
    });
    const tunnelUrl = `${way.url.replace('http', 'ws')}/v1/tunnel`;
    const client = await tunnelTo(tunnelUrl, asking);
    way.fallSilent();
    way.forgetAll();
    client.webSocket?.terminate();
    await client.until('disconnected');
    await client.connect(tunnelUrl, asking);
    await client.until('resumed');
    await metricsUntil(metricsUrl, { sandboxrx_tunnels: 1, sandboxrx_tunnel_sessions: 1 });
    await opened(tunnelUrl, asking);
    await expect(webSocketTo(tunnelUrl, asking)).rejects.toMatchObject({ status });
  });
});

describe('HTTP at the port of a host', () => {
  it.each([
    ['GET', '/healthz', 200],
    ['HEAD', '/healthz', 200],
    ['POST', '/healthz', 405],
    ['GET', '/metrics', 404],
    ['GET', '/', 404],
    ['GET', '/v1', 404],
    ['GET', '/v1/tunnel', 426],
    ['GET', '/v1/tunnel?token=a', 426],
    ['OPTIONS', '/healthz', 405],
  ])('%s %s is answered with %d, and lets no page of another origin read', async (...row) => {
    const [method, path, status] = row;
    const { url } = await hosted();
    const { statusCode, headers } = await asked(`${url}${path}`, { method });
    expect(statusCode).toBe(status);
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(headers.connection).toBe('close');
  });

  it('tells the metrics where it is told to, to who has a token', async () => {
    const { url } = await hosted({ tokens, serveMetrics: true });
    expect((await asked(`${url}/metrics`)).statusCode).toBe(401);
    const headers = { authorization: 'Bearer token-of-ada' };
    expect((await asked(`${url}/metrics`, { headers })).statusCode).toBe(200);
    expect((await asked(`${url}/healthz`)).statusCode).toBe(200);
  });

  it('tells that the host drains', async () => {
    const { host, url } = await hosted();
    const sandbox = await harness.client({ url }).create();
    const run = sandbox.exec(['cat'], { stdin: true });
    await run.stdin?.write('a');
    const drained = host.drain({ graceMs: 60_000 });
    expect((await asked(`${url}/healthz`)).statusCode).toBe(503);
    await run.stdin?.close();
    expect((await run).stdout).toBe('a');
    await drained;
  });

  it.each([
    ['GET', '/healthz', 200],
    ['POST', '/healthz', 405],
    ['GET', '/v1/tunnel', 426],
  ])('%s %s is answered with %d also where HTTP/2 is offered', async (method, path, status) => {
    const { url, metricsUrl } = await hosted();
    const headers = {
      ...{ connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' },
      'http2-settings': 'AAMAAABkAAQAAP__',
    };
    const response = await asked(`${url}${path}`, { method, headers });
    expect(response.statusCode).toBe(status);
    expect(response.headers.connection).toBe('close');
    await metricsUntil(metricsUrl, { sandboxrx_connections: 0 });
  });

  it('upgrades nothing else', async () => {
    const { url } = await hosted();
    const other = webSocketTo(`${url.replace('http', 'ws')}/elsewhere`);
    await expect(other).rejects.toMatchObject({ status: 404 });
  });
});

describe('a connection', () => {
  it.each(['', 'P', 'PRI * HTTP/2.0\r\n', 'GET /healthz HTTP/1.1\r\nhost: a\r\n'])(
    'that goes no further than %j is closed',
    async (text) => {
      const { url, metricsUrl } = await hosted({ handshakeMs: 200 });
      const { socket, rest } = await bare(url);
      socket.write(text);
      expect(await rest()).toBe('');
      await metricsUntil(metricsUrl, { sandboxrx_connections: 0 });
    },
  );

  it('that has become one of gRPC or a tunnel lasts', async () => {
    const { url, tunnelUrl } = await hosted({ handshakeMs: 200 });
    const sandbox = await harness.client({ url }).create();
    const tunnel = await tunnelTo(tunnelUrl);
    const run = sandbox.exec(['cat'], { stdin: true });
    await run.stdin?.write('a');
    // One that came later is closed: the time of the others is up too.
    await (await bare(url)).rest();
    expect((await tunnel.unary(getSandbox, { sandboxId: sandbox.id })).code).toBe(0);
    expect(tunnel.told).toEqual(['connected']);
    await run.stdin?.close();
    expect((await run).stdout).toBe('a');
  });

  it('of no known protocol is refused', async () => {
    const { url } = await hosted();
    const { socket, rest } = await bare(url);
    socket.write('\x16\x03\x01 garbage\r\n\r\n');
    expect(await rest()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('may come a byte at a time', async () => {
    const { url } = await hosted();
    const { socket, rest } = await bare(url);
    for (const byte of 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n') {
      socket.write(byte);
      await turn();
    }
    expect(await rest()).toMatch(/^HTTP\/1\.1 200 [^]*ok\n/);
  });

  it('of HTTP/2 may come a byte at a time', async () => {
    const { url } = await hosted({ handshakeMs: 1000 });
    const { socket } = await bare(url);
    harness.closing(() => socket.destroy());
    const settings = '\0\0\0\x04\0\0\0\0\0';
    for (const byte of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${settings}`) {
      socket.write(byte, 'latin1');
      await turn();
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    // The server's SETTINGS.
    expect(answer[3]).toBe(4);
  });

  it('that is cut while it is looked at harms nobody', async () => {
    const { url, metricsUrl } = await hosted();
    for (const text of ['', 'PRI', 'GET /v1/tunnel HTTP/1.1\r\nupgrade: websocket\r\n']) {
      const { socket } = await bare(url);
      socket.write(text);
      await turn();
      socket.resetAndDestroy();
    }
    await metricsUntil(metricsUrl, { sandboxrx_connections: 0 });
    const sandbox = await harness.client({ url }).create();
    expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
  });
});

/** Whom a client trusts, and who it is. */
interface Trust {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

describe('one port', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  /** What both protocols do at the same time. */
  async function both(url: string, host: Host, { ca, cert, key }: Trust = {}) {
    const clientCertificate = { ...(cert && key && { clientCertificate: cert, clientKey: key }) };
    const tls = { ...(ca && { rootCertificates: ca }), ...clientCertificate };
    const client = harness.client({ url, ...(ca && { tls }) });
    const sandbox = await client.create();
    const tunnel = await tunnelTo(host.tunnelUrl ?? '', { ca, cert, key });
    const run = tunnel.run(sandbox.id, ['count']);
    const [result, end] = await Promise.all([sandbox.exec(['count']), run.ended()]);
    expect(result.returncode).toBe(0);
    expect(end.code).toBe(0);
    expect(run.bytes).toBeGreaterThan(588_895);
  }

  it('serves gRPC, tunnels and HTTP', async () => {
    const { host, url } = await hosted();
    await both(url, host);
    expect((await asked(`${url}/healthz`)).statusCode).toBe(200);
  });

  it('serves them over TLS', async () => {
    const { server, authority: ca } = certificates;
    const { host, url } = await hosted({ tls: server });
    expect(host.tunnelUrl).toMatch(/^wss:.*\/v1\/tunnel$/);
    await both(url, host, { ca });
    await expect(webSocketTo(host.tunnelUrl ?? '')).rejects.toThrow(/certificate/);
    const { hostname, port } = new URL(url);
    const socket = connectTls({ host: hostname, port: Number(port), ca });
    socket.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    let text = '';
    for await (const part of socket) text += String(part);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('wants certificates of clients for all of them', async () => {
    const { server, client, authority: ca } = certificates;
    const { host, url } = await hosted({ tls: { ...server, clientAuthorities: ca } });
    await both(url, host, { ca, cert: client.certificate, key: client.key });
    await expect(webSocketTo(host.tunnelUrl ?? '', { ca })).rejects.toThrow(/ssl|reset|closed/i);
    const stranger = harness.client({ url, tls: { rootCertificates: ca } });
    await expect(stranger.create()).rejects.toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
  });

  it('closes a connection that never begins TLS', async () => {
    const { url, metricsUrl } = await hosted({ tls: certificates.server, handshakeMs: 200 });
    const { rest } = await bare(url);
    expect(await rest()).toBe('');
    await metricsUntil(metricsUrl, { sandboxrx_connections: 0 });
  });
});
