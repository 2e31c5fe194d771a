import { afterEach, describe, expect, it } from '@jest/globals';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { lastValueFrom } from 'rxjs';
import { SandboxClient } from 'sandbox-rx';
import { grpcBackend, websocketBackend } from 'sandbox-rx/node';
import { failureOf } from '../../contract/kit.js';
import { memory } from '../../host/harness.js';
import { Remote } from '../../support/remote.js';
import { root } from '../../support/repository.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

/** Which of the two libraries a program has loaded after it imported the built package, and after a call by each backend. */
const program = `
  const loaded = () => ['@grpc/grpc-js', 'ws'].filter((name) =>
    Object.keys(require.cache).some((path) => path.includes('/node_modules/' + name + '/')));
  (async (load, url) => {
    const { SandboxClient } = await load('sandbox-rx');
    const { grpcBackend, websocketBackend } = await load('sandbox-rx/node');
    const backends = [grpcBackend({ url }), websocketBackend({ url })];
    const seen = [loaded()];
    for (const backend of backends) {
      await new SandboxClient(backend).list();
      seen.push(loaded());
    }
    for (const backend of backends) backend.close();
    console.log(JSON.stringify(seen));
  })`;

async function loadedBy(load: string): Promise<unknown> {
  const url = await remote.host(memory());
  const words = ['--input-type=commonjs', '-e', `${program}(${load}, ${JSON.stringify(url)})`];
  const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: root });
  return JSON.parse(stdout);
}

/** Answers with nothing, and writes down whom it was asked for. */
function listing(): {
  readonly asked: string[];
  readonly handle: handleUnaryCall<unknown, unknown>;
} {
  const asked: string[] = [];
  return {
    asked,
    handle: ({ metadata }, answer) => {
      asked.push(String(metadata.get('x-me')[0]));
      answer(null, { sandboxes: [], nextPageToken: '' });
    },
  };
}

describe('a program that imports sandbox-rx/node', () => {
  it.each([
    ['ESM', '(name) => import(name)'],
    ['CommonJS', 'require'],
  ])('loads what carries calls when it makes the first (%s)', async (_kind, load) => {
    expect(await loadedBy(load)).toEqual([[], ['@grpc/grpc-js'], ['@grpc/grpc-js', 'ws']]);
  });
});

describe('calls that are made while it is loaded', () => {
  it('wait for it, and those that are given up meanwhile are not made', async () => {
    const { asked, handle } = listing();
    const url = await remote.service({ listSandboxes: handle });
    const backend = remote.backend(url, { metadata: { 'x-me': 'me' } });
    const [one$, two$] = [backend.list({}), backend.list({})];
    const ended = lastValueFrom(one$, { defaultValue: 'nothing' });
    two$.subscribe().unsubscribe();
    expect(await ended).toBe('nothing');
    expect(asked).toEqual(['me']);
  });

  it('are refused after close()', async () => {
    const { asked, handle } = listing();
    const url = await remote.service({ listSandboxes: handle });
    const [grpc, ws] = [grpcBackend({ url }), websocketBackend({ url })];
    const lists = [grpc, ws].map((backend) => failureOf(new SandboxClient(backend).list()));
    grpc.close();
    ws.close();
    lists.push(...[grpc, ws].map((backend) => failureOf(new SandboxClient(backend).list())));
    for (const error of await Promise.all(lists))
      expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(asked).toEqual([]);
  });
});

describe('certificates that are none', () => {
  const certificate = new TextEncoder().encode('-----BEGIN CERTIFICATE-----\nno\n');
  const tls = { clientCertificate: certificate, clientKey: certificate };

  it.each([
    ['grpcBackend', () => grpcBackend({ url: 'https://host', tls })],
    ['websocketBackend', () => websocketBackend({ url: 'wss://host', tls })],
  ])('are refused by %s at once', (_name, open) => {
    expect(open).toThrow(
      expect.objectContaining({
        code: 'ERR_VALIDATION',
        message: expect.stringMatching(/^tls cannot be used: /) as unknown,
      }),
    );
  });
});
