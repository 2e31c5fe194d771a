import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Metadata, type handleUnaryCall } from '@grpc/grpc-js';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { SandboxClient } from 'sandbox-rx';
import { badRequest, refusalOf, Remote, type BareClient } from '../support/remote.js';
import { failureOf } from '../contract/kit.js';
import { Sandbox } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { readDetails } from '../../lib/wire/status-details.js';
import { memory } from './harness.js';

const mebibytes = 1_048_576;
const maxMessageBytes = 100 * mebibytes;

let remote: Remote;
let url: string;
let client: BareClient;
let sandboxId: string;

beforeAll(async () => {
  remote = new Remote();
  url = await remote.host(memory());
  client = remote.bare(url);
  sandboxId = (await remote.client(url).create()).id;
});

afterAll(() => remote.close());

// Whatever it was sent, it goes on.
afterEach(async () => {
  expect(await client.unary('getSandbox', { sandboxId })).toMatchObject({ code: 0 });
});

/** A field of a message that has a length: a string, bytes or a message. */
function field(number: number, ...values: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(values);
  return Buffer.concat([Buffer.of((number << 3) | 2, value.length), value]);
}

/** Latin 1, and no UTF-8. */
const latin = Buffer.from('b\xfcro', 'latin1');

describe('a host, sent strings that are no UTF-8, refuses them:', () => {
  it.each<[string, () => Uint8Array]>([
    ['getSandbox', () => field(1, latin)],
    ['listSandboxes', () => field(3, latin)],
    ['deleteSandbox', () => field(1, latin)],
    ['createSandbox', () => field(1, field(2, field(1, field(3, latin))))],
    ['exec', () => Buffer.concat([field(1, Buffer.from(sandboxId)), field(2, latin)])],
    ['readFile', () => Buffer.concat([field(1, Buffer.from(sandboxId)), field(2, latin)])],
    ['writeFile', () => Buffer.concat([field(1, Buffer.from(sandboxId)), field(2, latin)])],
    ['listFiles', () => Buffer.concat([field(1, Buffer.from(sandboxId)), field(2, latin)])],
    ['getSandboxTemplate', () => field(1, latin)],
    ['listAvailableRunners', () => field(3, latin)],
  ])('%s', async (name, bytes) => {
    expect(refusalOf(await client.unary(name, bytes()))).toEqual(badRequest('request'));
  });

  it('streamExec', async () => {
    const init = field(1, field(1, Buffer.from(sandboxId)), field(2, latin));
    expect(refusalOf(await client.streamed('streamExec', [init]))).toEqual(badRequest('request'));
  });

  it('but takes such contents of files, and a byte order mark in a path', async () => {
    const path = '\ufeffmarked';
    const write = { sandboxId, path, content: latin };
    expect(await client.unary('writeFile', write)).toMatchObject({ code: 0 });
    expect(await client.unary('readFile', { sandboxId, path })).toMatchObject({
      messages: [{ content: latin }],
    });
    expect(await client.unary('readFile', { sandboxId, path: 'marked' })).toMatchObject({
      code: 5,
    });
  });
});

describe('a host, sent what is no message, refuses it:', () => {
  it.each([
    ['a tag that is none', Buffer.of(0, 1, 2, 3)],
    ['a string longer than the message', Buffer.of(0x0a, 0x7f, 0x61)],
    ['a number without an end', Buffer.alloc(12, 0xff)],
    ['a group that is not closed', Buffer.of(0x0b)],
  ])('%s', async (_, bytes) => {
    expect(refusalOf(await client.unary('getSandbox', bytes))).toEqual(badRequest('request'));
  });
});

describe('messages of 100 MiB', () => {
  /** A WriteFile of so many bytes in all. */
  function writing(bytes: number): Uint8Array {
    const sized = (length: number) =>
      client.encoded('writeFile', { sandboxId, path: 'large', content: new Uint8Array(length) });
    const around = sized(64 * mebibytes).length - 64 * mebibytes;
    return sized(bytes - around);
  }

  it('are taken by a host, which has no files of that size', async () => {
    const answer = refusalOf(await client.unary('writeFile', writing(maxMessageBytes)));
    expect(answer).toMatchObject({ code: 9, reason: 'CWSANDBOX_FILE_TOO_LARGE' });
  });

  it('and a byte are not', async () => {
    const answer = refusalOf(await client.unary('writeFile', writing(maxMessageBytes + 1)));
    const domain = 'cwsandbox.com';
    expect(answer).toEqual({ code: 8, reason: 'SANDBOXRX_LIMIT', domain, fields: [] });
  });

  it.each([0, 1])('and %i bytes are an answer that a client takes, or refuses', async (more) => {
    const sandbox = Sandbox.fromPartial({ sandboxId: 'one', status: { stateReason: ' ' } });
    const around = Sandbox.encode(sandbox).finish().length - 1;
    // The text, its message and the whole have lengths of four bytes in place of one.
    const text = ' '.repeat(maxMessageBytes + more - around - 6);
    const status = { ...Sandbox.fromPartial(sandbox).status, stateReason: text };
    const answer = Sandbox.fromPartial({ ...sandbox, status });
    expect(Sandbox.encode(answer).finish()).toHaveLength(maxMessageBytes + more);
    const getSandbox: handleUnaryCall<unknown, unknown> = (_, done) => {
      done(null, answer);
    };
    const service = new SandboxClient(remote.backend(await remote.service({ getSandbox })));
    if (more === 0) expect((await service.get('one')).id).toBe('one');
    else {
      const refused = { code: 'ERR_RESOURCE_EXHAUSTED' };
      expect(await failureOf(service.get('one'))).toMatchObject(refused);
    }
  });

  it('are never what a host answers, however much it was given', async () => {
    const spec = (tag: string) => ({
      ...{ tags: [tag, 'x'.repeat(1_500_000)] },
      containers: [{ files: [{ path: 'large', content: new Uint8Array(mebibytes) }] }],
    });
    for (const tag of ['a', 'b']) {
      const make = client.encoded('createSandbox', { sandbox: { spec: spec(tag) } });
      expect(await client.unary('createSandbox', make)).toMatchObject({
        messages: [
          { spec: { containers: [{ files: [{ path: 'large', content: Buffer.of() }] }] } },
        ],
      });
    }
    const sizes: number[] = [];
    let pageToken = '';
    do {
      const list = client.encoded('listSandboxes', { pageToken, tags: [] });
      const [page] = (await client.unary('listSandboxes', list)).messages as Listed[];
      pageToken = page?.nextPageToken ?? '';
      sizes.push(page?.sandboxes.length ?? 0);
    } while (pageToken !== '');
    expect(sizes).toEqual([2, 1]);
  });
});

interface Listed {
  readonly sandboxes: readonly unknown[];
  readonly nextPageToken: string;
}

describe('a deadline', () => {
  /** A StreamExec that says nothing, by bare HTTP/2, with a deadline that no client sends. */
  async function asked(timeout: string) {
    const session = connect(url);
    const stream = session.request({
      ...{ ':method': 'POST', ':path': '/coreweave.sandbox.v1.SandboxService/StreamExec' },
      ...{ 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': timeout },
    });
    stream.resume();
    const told: IncomingHttpHeaders = await new Promise((resolve) => {
      stream.on('response', (headers) => {
        if ('grpc-status' in headers) resolve(headers);
      });
      stream.on('trailers', resolve);
    });
    session.destroy();
    const details = Buffer.from(String(told['grpc-status-details-bin']), 'base64');
    const code = Number(told['grpc-status']);
    return { code, reason: readDetails({ code, message: '', details }).reason };
  }

  it.each(['0n', '1n', '1u'])('that has passed, ends the call: %s', async (timeout) => {
    const passed = { code: 4, reason: 'SANDBOXRX_REQUEST_TIMEOUT' };
    expect(await asked(timeout)).toEqual(passed);
  });

  it.each(['soon', '5', ''])('that is none, is refused: %j', async (timeout) => {
    const invalid = { code: 3, reason: 'CWSANDBOX_INVALID_REQUEST' };
    expect(await asked(timeout)).toEqual(invalid);
  });
});

describe('a token', () => {
  it.each([undefined, 'Bearer wrong', 'Bearer', 'bearer  ', 'Bearer a b'])(
    'that is none opens nothing: %j',
    async (authorization) => {
      const guarded = await remote.host(memory(), { tokens: [{ name: 'ada', token: 'right' }] });
      const stranger = remote.bare(guarded);
      const metadata = new Metadata();
      if (authorization !== undefined) metadata.set('authorization', authorization);
      const refused = { code: 16, reason: 'SANDBOXRX_UNAUTHENTICATED', domain: 'cwsandbox.com' };
      const init = stranger.encoded('streamExec', {
        message: { $case: 'init', value: { sandboxId, command: ['true'] } },
      });
      for (const answer of [
        await stranger.unary('listSandboxes', Buffer.of(), metadata),
        await stranger.unary('listAvailableRunners', Buffer.of(), metadata),
        await stranger.unary('listSandboxTemplates', Buffer.of(), metadata),
        await stranger.unary('endProcess', Buffer.of(), metadata),
        await stranger.streamed('streamExec', [init], metadata),
      ]) {
        expect(refusalOf(answer)).toMatchObject(refused);
      }
    },
  );
});
