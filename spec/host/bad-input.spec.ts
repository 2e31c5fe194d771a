import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../contract/kit.js';
import { badRequest, refusalOf, Remote, type BareClient } from '../support/remote.js';
import { ExecStreamRequest } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunOptions } from '../../lib/wire/generated/sandboxrx/v1/sandboxrx.js';
import { readStatus } from '../../lib/wire/status-details.js';
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

describe('a host, given a stream', () => {
  it.each<[string, string, () => readonly Message[]]>([
    ['that is empty', 'init', () => []],
    ['whose input comes before init', 'init', () => [stdin]],
    ['that is resized before init', 'resize', () => [resize(1, 1)]],
    ['with init twice', 'init', () => [init(['cat']), init(['cat'])]],
    ['without a command', 'init.command', () => [init([])]],
    ['with a command that has no name', 'init.command', () => [init([''])]],
    ['with a NUL in its command', 'init.command', () => [init(['a\0b'])]],
    ['with a NUL in its environment', 'init.env', () => [init(['a'], { env: { A: '\0' } })]],
    ['with an environment that is none', 'init.env', () => [init(['a'], { env: { 'A=B': '' } })]],
    ['in a container that is not there', 'container', () => [init(['a'], { container: 'b' })]],
    ['with a terminal too wide', 'init.tty', () => [init(['a'], { tty: true, ttyWidth: 65_536 })]],
    ['that is resized without a terminal', 'resize', () => [init(['cat']), resize(10, 10)]],
    ['that is resized to nothing', 'resize', () => [init(['cat'], { tty: true }), resize(10, 0)]],
    ['that is resized too far', 'resize', () => [init(['cat'], { tty: true }), resize(1, 65_536)]],
  ])('%s, refuses it and names %s', async (_, field, messages) => {
    expect(refusalOf(await run(...messages()))).toEqual(badRequest(field));
  });

  it('of no known kind, refuses it', async () => {
    const unknown = Uint8Array.of(0xfa, 0x07, 0x01, 0x78);
    const answer = await client.streamed('streamExec', [unknown]);
    expect(refusalOf(answer)).toEqual(badRequest('message'));
  });

  it.each([
    ['broken', 'sandboxrx-run-bin', Uint8Array.of(0xff, 0xff, 0xff)],
    ['no UTF-8', 'sandboxrx-run-bin', Uint8Array.of(0x0a, 0x01, 0xff)],
    ['a grace beyond all timers', 'sandboxrx-run-bin', { killGraceMs: 2 ** 32 - 1 }],
    ['an end of output beyond all timers', 'sandboxrx-run-bin', { drainGraceMs: 2 ** 31 }],
    ['a signal that is none', 'sandboxrx-run-bin', { killSignal: 'kill -9' }],
    ['a NUL in the directory', 'sandboxrx-run-bin', { cwd: '/\0' }],
    ['an id with a NUL', 'run_id', { runId: '\0' }],
    ['an id too long', 'run_id', { runId: 'x'.repeat(129) }],
    ['more wrapping than words', 'init.command', { wrappingWords: 99 }],
  ])('with options that cannot be, refuses it: %s', async (_, field, options) => {
    const bytes =
      options instanceof Uint8Array
        ? options
        : RunOptions.encode(RunOptions.fromPartial(options)).finish();
    const metadata = new Metadata();
    metadata.set('sandboxrx-run-bin', Buffer.from(bytes));
    const answer = await client.streamed('streamExec', [{ message: init(['true']) }], metadata);
    expect(refusalOf(answer)).toEqual(badRequest(field));
  });

  it('with a signal that this system has not, says so in the stream', async () => {
    const options = RunOptions.encode(RunOptions.fromPartial({ killSignal: 'SIGNONE' })).finish();
    const metadata = new Metadata();
    metadata.set('sandboxrx-run-bin', Buffer.from(options));
    const answer = await client.streamed('streamExec', [{ message: init(['true']) }], metadata);
    const [failure] = answer.metadata.get('sandboxrx-failure-bin');
    expect(readStatus(Buffer.from(failure ?? ''))).toMatchObject({ code: 3 });
  });

  it('for a sandbox that is not there, says so', async () => {
    const answer = await run(init(['true'], { sandboxId: '../x' }));
    const absent = { code: 5, reason: 'CWSANDBOX_SANDBOX_NOT_FOUND' };
    expect(refusalOf(answer)).toMatchObject(absent);
  });

  it.each([
    ['arguments', () => init(['true', 'x'.repeat(1_048_576)])],
    ['environment', () => init(['true'], { env: { A: 'x'.repeat(1_048_576) } })],
  ])('with a megabyte of %s, says that they are too large', async (_, opening) => {
    const { code, messages } = await run(opening());
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
        expect([0, 3, 5, 9, 12]).toContain(code);
      }),
      { numRuns: 60 },
    );
  });

  it('with the longest path there can be, answers with an error that arrives', async () => {
    const path = '/ü'.repeat(1300);
    const answer = await client.unary('readFile', { sandboxId, path });
    expect(refusalOf(answer)).toMatchObject({ code: 5, reason: 'CWSANDBOX_FILE_NOT_FOUND' });
  });
});
