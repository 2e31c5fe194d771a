import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { filter, firstValueFrom } from 'rxjs';
import { SandboxClient, websocketBackend as portableBackend } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { websocketBackend, type WebSocketBackend, type WsBackendOptions } from 'sandbox-rx/node';
import { eventually, failureOf } from '../../contract/kit.js';
import { makeCertificates } from '../../host/certificates.js';
import { memory } from '../../host/harness.js';
import { FaultyWay } from '../../support/faulty-way.js';
import { root } from '../../support/repository.js';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function hostUrl(options: HostOptions = {}): Promise<string> {
  const host = new Host(memory(), options);
  opened.push(host);
  return host.listen();
}

function connected(options: WsBackendOptions): {
  readonly backend: WebSocketBackend;
  readonly client: SandboxClient;
} {
  const backend = websocketBackend({ retryBudgetMs: 0, ...options });
  opened.push(backend);
  return { backend, client: new SandboxClient(backend) };
}

/** A server that answers every request alike, and takes no WebSockets. */
async function answering(status: number, text: string): Promise<string> {
  const server: Server = createServer((_request, response) => {
    response.writeHead(status).end(text);
  });
  opened.push({ close: () => server.close() });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const tokens = [{ name: 'ada', token: 'token-of-ada+/=~' }];

describe('websocketBackend', () => {
  it.each(['http', 'ws'])('takes a URL with %s', async (scheme) => {
    const url = (await hostUrl()).replace('http', scheme);
    expect(await connected({ url }).client.list()).toEqual([]);
    expect(await connected({ url: `${url}/v1/tunnel` }).client.list()).toEqual([]);
  });

  it.each<[string, object]>([
    ['no URL', {}],
    ['another scheme', { url: 'ftp://host' }],
    ['what is no URL', { url: 'host' }],
    ['credentials in it', { url: 'ws://user:secret@host' }],
    ['a token that no header takes', { url: 'ws://host', token: 'tökén' }],
    ['TLS without TLS', { url: 'ws://host', tls: {} }],
    ['half of an identity', { url: 'wss://host', tls: { clientKey: new Uint8Array() } }],
    ['headers that are none', { url: 'ws://host', headers: { 'a b': 'c' } }],
    ['a window that is too small', { url: 'ws://host', windowBytes: 1000 }],
    ['no time', { url: 'ws://host', connectTimeoutMs: 0 }],
  ])('refuses %s', (_what, options) => {
    expect(() => websocketBackend(options as WsBackendOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_VALIDATION' }),
    );
    expect(() => websocketBackend(options as WsBackendOptions)).not.toThrow(/secret|tökén/);
  });

  it('says where the runtime has no WebSocket', () => {
    const { WebSocket: own } = globalThis;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    try {
      expect(() => portableBackend({ url: 'ws://host' })).toThrow(
        expect.objectContaining({ code: 'ERR_BACKEND_UNAVAILABLE' }),
      );
    } finally {
      if ((own as unknown) !== undefined) globalThis.WebSocket = own;
    }
  });

  it('shows a token, asked anew at each connection', async () => {
    const url = await hostUrl({ tokens });
    const way = await FaultyWay.to(url);
    opened.push(way);
    let asked = 0;
    const token = (): string => {
      asked += 1;
      return 'token-of-ada+/=~';
    };
    const { client, backend } = connected({ url: way.url, token });
    await client.list();
    expect(asked).toBe(1);
    way.cut('end');
    await firstValueFrom(backend.connection$.pipe(filter(({ state }) => state !== 'connected')));
    await client.list();
    expect(asked).toBe(2);
  });

  it.each([
    ['none', {}],
    ['another', { token: 'token-of-eve' }],
  ])('is refused at once with the token %s, and says so', async (_what, shown) => {
    const { client, backend } = connected({ url: await hostUrl({ tokens }), ...shown });
    const error = await failureOf(client.list());
    expect(error).toMatchObject({ code: 'ERR_PERMISSION', remote: { grpcCode: 16 } });
    expect(String(error)).not.toContain('token-of');
    expect(await firstValueFrom(backend.connection$)).toMatchObject({ state: 'idle', error });
    expect(await failureOf(client.create())).toMatchObject({ code: 'ERR_PERMISSION' });
  });

  it('fails where the token cannot be had', async () => {
    const token = (): string => {
      throw new Error('locked');
    };
    const { client } = connected({ url: await hostUrl({ tokens }), token });
    expect(await failureOf(client.list())).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: expect.stringContaining('locked'),
    });
  });

  it.each([
    [404, 'ERR_BACKEND_UNAVAILABLE'],
    [403, 'ERR_PERMISSION'],
    [429, 'ERR_RESOURCE_EXHAUSTED'],
    [503, 'ERR_BACKEND_UNAVAILABLE'],
  ])('tells what a server answered: %i', async (status, code) => {
    const { client } = connected({ url: await answering(status, 'because') });
    expect(await failureOf(client.list())).toMatchObject({
      code,
      message: `the server answered ${status}: because`,
    });
  });

  it('fails at once where nobody listens', async () => {
    const { client } = connected({ url: 'ws://127.0.0.1:1', retryBudgetMs: 30_000 });
    expect(await failureOf(client.create())).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('gives up a server that takes the connection and says nothing', async () => {
    const way = await FaultyWay.to(await hostUrl());
    opened.push(way);
    way.fallSilent();
    const { client } = connected({ url: way.url, connectTimeoutMs: 500 });
    expect(await failureOf(client.list())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    way.forgetAll();
    expect(await client.list()).toEqual([]);
  });

  it('trusts a server, and shows who it is', async () => {
    const { authority, server, client } = makeCertificates();
    const secure = await hostUrl({ tls: { ...server, clientAuthorities: authority } });
    const url = secure.replace('https', 'wss');
    const { certificate: clientCertificate, key: clientKey } = client;
    const tls = { rootCertificates: authority, clientCertificate, clientKey };
    expect(await connected({ url, tls }).client.list()).toEqual([]);
    for (const wrong of [{}, { tls: { rootCertificates: authority } }]) {
      expect(await failureOf(connected({ url, ...wrong }).client.list())).toMatchObject({
        code: 'ERR_BACKEND_UNAVAILABLE',
      });
    }
  });

  it('fails calls after close(), and completes connection$', async () => {
    const { backend, client } = connected({ url: await hostUrl() });
    const sandbox = await client.create();
    const run = sandbox.exec(['sleep']);
    await eventually('it runs', () => run.state === 'running');
    backend.close();
    expect(await failureOf(run)).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    expect(await failureOf(client.list())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    const states: string[] = [];
    backend.connection$.subscribe({
      next: ({ state }) => states.push(state),
      complete: () => states.push('|'),
    });
    expect(states).toEqual(['|']);
  });

  it('keeps no program going that has nothing more to do', async () => {
    const script = `
      import { SandboxClient } from 'sandbox-rx';
      import { websocketBackend } from 'sandbox-rx/node';
      const sandbox = await new SandboxClient(websocketBackend({ url: process.argv[1] })).create();
      console.log((await sandbox.exec(['greeting'], { env: { GREETING: 'hi' } })).stdout);
    `;
    const words = ['--input-type=module', '-e', script, await hostUrl()];
    const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: root });
    expect(stdout).toBe('hi\n\n');
  });
});
