import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../contract/kit.js';
import { Remote, type BareClient } from '../support/remote.js';
import { statusToError } from '../../lib/wire/status-to-error.js';
import { ExecStreamRequest } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunOptions } from '../../lib/wire/generated/sandboxrx/v1/sandboxrx.js';
import { processOf, uniqueSeconds } from '../backends/local/host.js';

type Message = NonNullable<ExecStreamRequest['message']>;

let remote: Remote;
let client: BareClient;
let sandboxId: string;

beforeEach(async () => {
  remote = new Remote();
  const url = await remote.host(localBackend({ isolation: 'none' }));
  client = remote.bare(url);
  sandboxId = (await remote.client(url).create()).id;
});

afterEach(async () => {
  // Whatever it was given, it goes on.
  expect(await run(init(['echo', 'well']))).toMatchObject({ code: 0 });
  await remote.close();
});

function init(command: readonly string[], more: Record<string, unknown> = {}): Message {
  const value = { sandboxId, command: [...command], ...more };
  const { message } = ExecStreamRequest.fromPartial({ message: { $case: 'init', value } });
  if (message === undefined) throw new Error('there is one');
  return message;
}

const stdin: Message = { $case: 'stdin', value: Buffer.from('x') };
const resize = (width: number, height: number): Message => ({
  ...{ $case: 'resize', value: { width, height } },
});

async function run(...messages: readonly Message[]) {
  const requests = messages.map((message) => ({ message }));
  return client.streamed('streamExec', requests);
}

/** What an answer says that went wrong. */
function said({ code, message, metadata }: Awaited<ReturnType<typeof run>>) {
  const [bytes] = metadata.get('grpc-status-details-bin');
  const details = bytes instanceof Uint8Array ? bytes : undefined;
  return { code, reason: statusToError({ code, message, details }).remote?.reason };
}

const invalid = { code: 3, reason: 'CWSANDBOX_INVALID_REQUEST' };

describe('a host, given a stream', () => {
  it.each<[string, () => readonly Message[]]>([
    ['that is empty', () => []],
    ['whose input comes before init', () => [stdin]],
    ['that is resized before init', () => [resize(1, 1)]],
    ['with init twice', () => [init(['cat']), init(['cat'])]],
    ['without a command', () => [init([])]],
    ['with a command that has no name', () => [init([''])]],
    ['with a NUL in its command', () => [init(['a\0b'])]],
    ['with a NUL in its environment', () => [init(['a'], { env: { A: '\0' } })]],
    ['with an environment that is none', () => [init(['a'], { env: { 'A=B': '' } })]],
    ['that is resized without a terminal', () => [init(['cat']), resize(10, 10)]],
  ])('%s, refuses it', async (_, messages) => {
    expect(said(await run(...messages()))).toEqual(invalid);
  });

  it('of no known kind, refuses it', async () => {
    const unknown = Uint8Array.of(0xfa, 0x07, 0x01, 0x78);
    expect(said(await client.streamed('streamExec', [unknown]))).toEqual(invalid);
  });

  it.each([
    ['broken', Uint8Array.of(0xff, 0xff, 0xff)],
    ['a grace beyond all timers', { killSignal: 'SIGTERM', killGraceMs: 2 ** 32 - 1 }],
    ['more wrapping than words', { wrappingWords: 99 }],
  ])('with options that cannot be, refuses it: %s', async (_, options) => {
    const bytes =
      options instanceof Uint8Array
        ? options
        : RunOptions.encode(RunOptions.fromPartial(options)).finish();
    const metadata = new Metadata();
    metadata.set('sandboxrx-run-bin', Buffer.from(bytes));
    const answer = await client.streamed('streamExec', [{ message: init(['true']) }], metadata);
    expect(said(answer)).toEqual(invalid);
  });

  it('for a sandbox that is not there, says so', async () => {
    const answer = await run(init(['true'], { sandboxId: '../x' }));
    expect(said(answer)).toEqual({ code: 5, reason: 'CWSANDBOX_SANDBOX_NOT_FOUND' });
  });

  it('with a megabyte of arguments, says that they are too large', async () => {
    const { code, messages } = await run(init(['true', 'x'.repeat(1_048_576)]));
    expect(code).toBe(0);
    const expected = { message: { $case: 'error', value: { code: 'COMMAND_TOO_LARGE' } } };
    expect(messages.at(-1)).toMatchObject(expected);
  });

  it('that is refused in the middle, ends its process', async () => {
    const seconds = uniqueSeconds();
    const stream = client.stream('streamExec');
    stream.on('error', () => undefined);
    stream.on('data', () => undefined);
    stream.write({ message: init(['sleep', seconds]) });
    await eventually('it sleeps', () => processOf(['sleep', seconds]) !== undefined);
    stream.write({ message: init(['sleep', seconds]) });
    await eventually('it is gone', () => processOf(['sleep', seconds]) === undefined);
  });

  it('whose deadline passes while nobody reads, ends its process', async () => {
    const seconds = uniqueSeconds();
    const stream = client.stream('streamExec', new Metadata(), Date.now() + 3000);
    stream.on('error', () => undefined);
    stream.write({ message: init(['sh', '-c', 'sleep "$0" & yes', seconds]) });
    await eventually('it sleeps', () => processOf(['sleep', seconds]) !== undefined);
    await eventually('it is gone', () => processOf(['sleep', seconds]) === undefined);
  });

  it('of any messages in any order, tells an end', async () => {
    const size = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.constant(stdin),
      fc.constant<Message>({ $case: 'close', value: {} }),
      fc.tuple(size, size).map(([width, height]) => resize(width, height)),
      fc.boolean().map((withEnv) => init(['cat'], withEnv ? { env: { A: 'b' } } : {})),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 6 }), async (messages) => {
        expect([0, 3]).toContain((await run(...messages)).code);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a host, given a call', () => {
  it('of any bytes, answers it', async () => {
    const names = ['createSandbox', 'getSandbox', 'listSandboxes', 'exec', 'readFile', 'listFiles'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.uint8Array(), async (name, bytes) => {
        const { code } = await client.unary(name, Buffer.from(bytes));
        expect([0, 3, 5, 9, 12, 13]).toContain(code);
      }),
      { numRuns: 60 },
    );
  });

  it('of a size that nothing needs, refuses it', async () => {
    const message = { sandboxId, path: 'x', content: new Uint8Array(104_857_601) };
    expect(await client.unary('writeFile', message)).toMatchObject({ code: 8 });
  });

  it.each(['', 'a\0b'])('with a path that is none, refuses it: %j', async (path) => {
    expect(said(await client.unary('readFile', { sandboxId, path }))).toEqual(invalid);
    const write = { sandboxId, path, content: new Uint8Array() };
    expect(said(await client.unary('writeFile', write))).toEqual(invalid);
  });

  it('with a path of a megabyte, refuses it', async () => {
    const path = `/${'ü'.repeat(524_288)}`;
    expect(said(await client.unary('readFile', { sandboxId, path }))).toEqual(invalid);
  });

  it('with the longest path there can be, answers with an error that arrives', async () => {
    const path = '/ü'.repeat(1300);
    const answer = await client.unary('readFile', { sandboxId, path });
    expect(said(answer)).toEqual({ code: 5, reason: 'CWSANDBOX_FILE_NOT_FOUND' });
  });
});
