import { Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SandboxValidationError } from 'sandbox-rx';
import { Host, readTokens } from 'sandbox-rx/host';
import {
  CreateSandboxRequest,
  SandboxServiceDefinition,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually } from '../contract/kit.js';
import { BareClient, refusalOf } from '../support/remote.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { bareCall, failureOf, Harness, memory } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

const tokens = [
  { name: 'ada', token: 'token-of-ada' },
  { name: 'grace', token: 'token-of-grace' },
];

describe('tokens', () => {
  it('lets in whoever has one of them', async () => {
    const { url } = await harness.listening({ tokens });
    for (const { token } of tokens) {
      const sandbox = await harness.client({ url, token }).create();
      expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
    }
  });

  it.each([
    ['none', {}, /wants a token/],
    ['another', { authorization: 'Bearer token-of-eve' }, /not one that this host knows/],
    ['a part of one', { authorization: 'Bearer token-of-ad' }, /not one/],
    ['another scheme', { authorization: 'Basic token-of-ada' }, /wants a token/],
    ['nothing behind the scheme', { authorization: 'Bearer ' }, /wants a token/],
  ])('refuses whoever has %s', async (_what, entries, text) => {
    const { url } = await harness.listening({ tokens });
    const { code, message, remote } = await failureOf(url, entries);
    expect(code).toBe(status.UNAUTHENTICATED);
    expect(message).toMatch(text);
    expect(message).not.toContain('token-of');
    expect(remote).toMatchObject({
      domain: 'cwsandbox.com',
      reason: 'SANDBOXRX_UNAUTHENTICATED',
    });
  });

  it('reads the scheme in any case', async () => {
    const { url } = await harness.listening({ tokens });
    const { code } = await failureOf(url, { authorization: 'bearer token-of-ada' });
    expect(code).toBe(status.NOT_FOUND);
  });

  it('raises ERR_PERMISSION at our client, for calls and for runs', async () => {
    const { url } = await harness.listening({ tokens });
    const sandbox = await harness.client({ url, token: 'token-of-ada' }).create();
    const stranger = harness.client({ url, token: 'wrong' });
    const refused = { code: 'ERR_PERMISSION', remote: { grpcCode: status.UNAUTHENTICATED } };
    await expect(stranger.create()).rejects.toMatchObject(refused);
    await expect(stranger.get(sandbox.id)).rejects.toMatchObject(refused);
  });

  it('keeps the request ids of callers apart', async () => {
    const { url } = await harness.listening({ tokens });
    const request = CreateSandboxRequest.fromPartial({
      requestId: 'the same',
      sandbox: { spec: { containers: [{ image: 'any' }] } },
    });
    const create = async (token = '') => {
      const { createSandbox } = SandboxServiceDefinition.methods;
      const entries = { authorization: `Bearer ${token}` };
      return (await bareCall(url, createSandbox, request, entries)).sandboxId;
    };
    const [first, again, other] = [
      await create('token-of-ada'),
      await create('token-of-ada'),
      await create('token-of-grace'),
    ];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});

describe('tokens of admins', () => {
  const known = [...tokens, { name: 'root', token: 'token-of-root', admin: true }];
  const denied = { code: 7, reason: 'SANDBOXRX_PERMISSION', domain: 'cwsandbox.com', fields: [] };

  /** A host that knows three, and how one of them calls it. */
  async function guarded() {
    const { url } = await harness.listening({ tokens: known });
    const bare = new BareClient(url);
    harness.closing(() => {
      bare.close();
    });
    const metadataOf = (name: string) => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer token-of-${name}`);
      return metadata;
    };
    return {
      client: (name: string) => harness.client({ url, token: `token-of-${name}` }),
      call: (name: string, method: string, fields: object) =>
        bare.unary(method, bare.encoded(method, fields), metadataOf(name)),
    };
  }

  const template = { sandboxTemplate: { displayName: 'one' } };

  it('purge what others made; those of others only their own', async () => {
    const { client, call } = await guarded();
    await client('ada').create({ id: 'of-ada', tags: ['a'] });
    await client('grace').create({ id: 'of-grace', tags: ['a'] });
    await client('root').create({ id: 'of-root' });
    const counted = { purgeAll: true, dryRun: true };
    const count = (purgeCount: number) => ({ messages: [{ purgeCount }] });
    expect(await call('ada', 'purgeSandboxes', counted)).toMatchObject(count(1));
    expect(await call('root', 'purgeSandboxes', counted)).toMatchObject(count(3));
    expect(await call('grace', 'purgeSandboxes', { tags: ['a'] })).toMatchObject(count(1));
    await eventually('it is purged', async () => {
      const live = await client('ada').list({ status: 'running' });
      return live.map(({ id }) => id).join() === 'of-ada,of-root';
    });
  });

  it('write templates; with others they are read, and make sandboxes', async () => {
    const { call } = await guarded();
    const sandboxTemplateId = 'one';
    for (const [method, fields] of [
      ['createSandboxTemplate', template],
      ['updateSandboxTemplate', { sandboxTemplateId, ...template }],
      ['deleteSandboxTemplate', { sandboxTemplateId }],
    ] as const) {
      expect(refusalOf(await call('ada', method, fields))).toEqual(denied);
    }
    const spec = { containers: [{ name: 'main', image: 'any' }] };
    const whole = { sandboxTemplate: { ...template.sandboxTemplate, spec } };
    expect(await call('root', 'createSandboxTemplate', whole)).toMatchObject({ code: 0 });
    expect(await call('ada', 'getSandboxTemplate', { sandboxTemplateId })).toMatchObject({
      code: 0,
    });
    const made = await call('ada', 'createSandboxFromTemplate', { templateId: 'one' });
    expect(made).toMatchObject({ code: 0 });
  });

  it('see deleted templates; to those of others they are not there', async () => {
    const { call } = await guarded();
    await call('root', 'createSandboxTemplate', template);
    await call('root', 'deleteSandboxTemplate', { sandboxTemplateId: 'one' });
    const get = { sandboxTemplateId: 'one', showDeleted: true };
    const list = { showDeleted: true };
    expect(await call('root', 'getSandboxTemplate', get)).toMatchObject({ code: 0 });
    expect(await call('ada', 'getSandboxTemplate', get)).toMatchObject({ code: 5 });
    const listed = async (name: string) =>
      (await call(name, 'listSandboxTemplates', list)).messages;
    expect(await listed('root')).toMatchObject([{ sandboxTemplates: [{ deleted: true }] }]);
    expect(await listed('ada')).toMatchObject([{ sandboxTemplates: [] }]);
  });

  it('are no more than others where all may see', async () => {
    const { client } = await guarded();
    const { id } = await client('ada').create();
    const found = await client('grace').get(id);
    expect((await found.exec(['echoBoth'])).stdout).toBe('out\n');
    await found.delete();
    expect(await client('ada').list()).toEqual([]);
  });
});

describe('readTokens', () => {
  it('reads name:token, one a line, with comments', () => {
    expect(readTokens('# people\nada:a:b=\r\n\n  grace : token-of-grace \n')).toEqual([
      { name: 'ada', token: 'a:b=' },
      { name: 'grace', token: 'token-of-grace' },
    ]);
  });

  it('reads who is an admin', () => {
    expect(readTokens('ada:one admin\ngrace: admin\nroot:two\t admin\n')).toEqual([
      { name: 'ada', token: 'one', admin: true },
      { name: 'grace', token: 'admin' },
      { name: 'root', token: 'two', admin: true },
    ]);
  });

  it.each([
    ['no name', 'only-a-token', /line 1/],
    ['an empty token', 'ada:one\ngrace:', /line 2/],
    ['a space in a token', 'ada:secret word', /line 1/],
    ['a name twice', 'ada:secret-1\nada:secret-2', /name comes twice/],
    ['a token twice', 'ada:secret-1\ngrace:secret-1', /token comes twice/],
  ])('refuses %s, and does not show it', (_what, text, message) => {
    expect(() => readTokens(text)).toThrow(SandboxValidationError);
    expect(() => readTokens(text)).toThrow(message);
    expect(() => readTokens(text)).not.toThrow(/secret|only-a-token/);
  });
});

describe('an address that others reach', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'sandboxes.example.com'])(
    'is refused for %s, unless there are tokens and TLS, or it is asked for',
    (address) => {
      const { certificate, key } = certificates.server;
      const tls = { certificate, key };
      for (const [options, missing] of [
        [{}, /no tokens and tls: .*--insecure/],
        [{ tokens }, /no tls/],
        [{ tls }, /no tokens/],
      ] as const) {
        expect(() => new Host(memory(), { address, ...options })).toThrow(SandboxValidationError);
        expect(() => new Host(memory(), { address, ...options })).toThrow(missing);
      }
      harness.host({ address, tokens, tls });
      harness.host({ address, insecure: true });
    },
  );

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('is not %s', (address) => {
    expect(() => harness.host({ address })).not.toThrow();
  });
});

describe('TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  it('is spoken where there is a certificate', async () => {
    const { authority, server } = certificates;
    const { url } = await harness.listening({ tls: server, tokens });
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const tls = { rootCertificates: authority };
    const client = harness.client({ url, tls, token: 'token-of-ada' });
    const sandbox = await client.create();
    expect((await sandbox.exec(['echoBoth'])).stderr).toBe('err\n');
    const suspicious = harness.client({ url, token: 'token-of-ada' });
    await expect(suspicious.create()).rejects.toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
  });

  it('asks clients for a certificate where their authority is given', async () => {
    const { authority: rootCertificates, server, client } = certificates;
    const { url } = await harness.listening({
      tls: { ...server, clientAuthorities: rootCertificates },
    });
    const { certificate: clientCertificate, key: clientKey } = client;
    const known = harness.client({ url, tls: { rootCertificates, clientCertificate, clientKey } });
    expect((await known.create()).id).toMatch(/^sb-/);
    const stranger = harness.client({ url, tls: { rootCertificates } });
    await expect(stranger.create()).rejects.toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
  });

  it('refuses certificates that it cannot use, at once', () => {
    const { server, client } = certificates;
    for (const tls of [
      { certificate: Buffer.from('no PEM'), key: server.key },
      { certificate: server.certificate, key: client.key },
    ]) {
      expect(() => new Host(memory(), { tls })).toThrow(SandboxValidationError);
      expect(() => new Host(memory(), { tls })).toThrow(/^tls: the certificates cannot be used: /);
    }
    const wrong = { certificate: 'text', key: certificates.server.key };
    // @ts-expect-error -- a caller without types
    expect(() => new Host(memory(), { tls: wrong })).toThrow(/tls\.certificate must be/);
  });
});
