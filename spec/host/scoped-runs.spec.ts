import { Metadata, type ClientDuplexStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { SandboxClient } from 'sandbox-rx';
import type { HostOptions } from 'sandbox-rx/host';
import type { TokenScope } from 'sandbox-rx/node';
import type { AttachProcessResponse } from '../../lib/wire/generated/sandboxrx/v1/runs.js';
import { eventually, failureOf } from '../contract/kit.js';
import { refusalOf, Remote, type Refusal } from '../support/remote.js';
import { memory } from './harness.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const tokens = [{ name: 'ada', token: 'token-of-ada' }];

/** A host with sandboxes `own` and `other`, in each of which ada runs a `cat` under the id of its sandbox. */
async function guarded(options: HostOptions = {}) {
  const url = await remote.host(memory(), { tokens, ...options });
  const ada = remote.backend(url, { token: 'token-of-ada' });
  const client = new SandboxClient(ada);
  const run = async (id: string) => {
    const sandbox = await client.create({ id });
    const cat = sandbox.exec(['cat'], { id, stdin: true });
    cat.stdin?.write('before ');
    await firstValueFrom(cat.stdout$);
    // Not the run itself, which would be waited for.
    return { cat };
  };
  const [own, other] = [await run('own'), await run('other')];
  const tokenFor = async (scope: TokenScope) =>
    (await firstValueFrom(ada.tokens.create(scope))).token;
  const clientFor = async (scope: TokenScope) =>
    remote.client(url, { token: await tokenFor(scope) });
  return { url, own, other, tokenFor, clientFor };
}

type Frame = NonNullable<AttachProcessResponse['message']>;

/** Whose stream of which kind. */
type Made = Readonly<Record<'url' | 'token' | 'name', string>>;

/** A stream by hand with a token. */
function streamWith({ url, token, name }: Made) {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const bare = remote.bare(url);
  const stream: ClientDuplexStream<unknown, unknown> = bare.stream(name, metadata);
  const heard: unknown[] = [];
  stream.on('error', () => undefined);
  stream.on('data', (message: unknown) => heard.push(message));
  const end: Promise<Refusal> = new Promise((resolve) => {
    stream.on('status', ({ code, details: message, metadata: trailers }) => {
      resolve(refusalOf({ code, message, messages: [], metadata: trailers }));
    });
  });
  const send = (message: unknown): void => {
    stream.write(bare.encoded(name, { message }));
  };
  return { heard, end, send };
}

/** How one ended after these messages. */
async function ending(
  made: Made,
  messages: readonly { readonly $case: string; readonly value: object }[],
) {
  const { heard, end, send } = streamWith(made);
  const [first, ...rest] = messages;
  send(first);
  // The others come when it is under way.
  if (rest.length > 0) await eventually('the first one is answered', () => heard.length > 0);
  rest.forEach(send);
  return end;
}

/** So much output before this frame. */
function toldBefore(frames: readonly Frame[], at: number): number {
  return frames
    .slice(0, at)
    .reduce((sum, frame) => sum + (frame.$case === 'output' ? frame.value.data.length : 0), 0);
}

const denied = {
  code: 'ERR_PERMISSION',
  message: expect.stringContaining('is not for this token'),
};
const refused = { code: 7, reason: 'SANDBOXRX_PERMISSION' };

function opening(sandboxId: string, runId: string) {
  const value = { sandboxId, runId, observerId: 'somebody', writerId: 'somebody', takeOver: true };
  return { $case: 'open', value };
}

describe('a token to look only', () => {
  it('observes runs, and does nothing to them', async () => {
    const { own, clientFor } = await guarded();
    const sandbox = await (await clientFor({ readOnly: true, sandboxId: 'own' })).get('own');
    const seen = sandbox.attach('own');
    const text = seen.result();
    await firstValueFrom(seen.stdout$);
    for (const signal of ['SIGKILL', 'SIGTERM'])
      expect(await failureOf(seen.kill(signal))).toMatchObject(denied);
    expect(await failureOf(sandbox.exec(['echoBoth'], { id: 'mine' }))).toMatchObject(denied);
    own.cat.stdin?.write('after');
    await own.cat.stdin?.close();
    expect((await own.cat).stdout).toBe('before after');
    expect((await text).stdout).toBe('before after');
  });

  it('changes no terminal, and writes no input', async () => {
    const { url, own, tokenFor } = await guarded();
    const token = await tokenFor({ readOnly: true });
    const resize = { $case: 'resize', value: { width: 1, height: 1 } };
    const watching = { url, token, name: 'attachProcess' };
    expect(await ending(watching, [opening('own', 'own'), resize])).toMatchObject(refused);
    const writing = { url, token, name: 'writeStdin' };
    expect(await ending(writing, [opening('own', 'own')])).toMatchObject(refused);
    own.cat.stdin?.write('mine');
    await own.cat.stdin?.close();
    expect((await own.cat).stdout).toBe('before mine');
  });
});

describe('who may only look and reads nothing', () => {
  it('makes no run wait, and is told what is left out', async () => {
    const { url, own, tokenFor } = await guarded();
    const looker = streamWith({
      ...{ url, name: 'attachProcess', token: await tokenFor({ readOnly: true }) },
    });
    const frames = (): readonly Frame[] =>
      looker.heard.flatMap((one) => (one as AttachProcessResponse).message ?? []);
    const told = (): number => toldBefore(frames(), Infinity);
    looker.send(opening('own', 'own'));
    await eventually('it observes', () => told() > 0);
    let written = 'before '.length;
    const write = async (bytes: number) => {
      written += bytes;
      await own.cat.stdin?.write('x'.repeat(bytes));
    };
    // As much as is kept for an observer, and more: the run does not wait, so all of it is taken.
    for (let count = 0; count < 8; count++) await write(1_048_576);
    let seen = 0;
    own.cat.events$.subscribe((event) => {
      if (event.type !== 'exit') seen = event.offset + event.data.length;
    });
    await eventually('its owner has all', () => seen === written);
    expect(told()).toBeLessThan(6_000_000);
    expect(frames().map(({ $case }) => $case)).not.toContain('position');
    looker.send({ $case: 'received', value: { stdout: BigInt(told()) } });
    await eventually('it goes on further on', async () => {
      await write(1);
      return frames().some(({ $case }) => $case === 'position');
    });
    await own.cat.stdin?.close();
    expect(await own.cat.wait()).toBe(0);
    await eventually('it is told the end', () => frames().at(-1)?.$case === 'exit');
    const at = frames().findIndex(({ $case }) => $case === 'position');
    const { value } = frames()[at] ?? {};
    const missed =
      Number((value as { readonly stdout?: bigint }).stdout) - toldBefore(frames(), at);
    expect(missed + told()).toBe(written);
  });

  it('is told what is left out at the end, before the exit', async () => {
    const { own, clientFor } = await guarded();
    const sandbox = await (await clientFor({ readOnly: true })).get('own');
    const seen = sandbox.attach('own', {
      ...{ overflow: 'backpressure', retainBytes: 65_536, encoding: 'buffer' },
    });
    await firstValueFrom(seen.stdout$);
    const mebibyte = 'x'.repeat(1_048_576);
    for (let count = 0; count < 8; count++) await own.cat.stdin?.write(mebibyte);
    await own.cat.stdin?.close();
    expect(await own.cat.wait()).toBe(0);
    let read = 0;
    for await (const { length } of seen.stdout) read += length;
    const { stdoutTotalBytes, stdoutTruncated, returncode } = await seen.result();
    const written = 'before '.length + 8 * mebibyte.length;
    expect({ stdoutTotalBytes, stdoutTruncated, returncode }).toEqual({
      ...{ stdoutTotalBytes: written, stdoutTruncated: true, returncode: 0 },
    });
    expect(read).toBeLessThan(6_000_000);
    expect(read + seen.stdout.droppedBytes).toBe(written);
  });
});

describe('who may only look at a run that ends with its starter', () => {
  it('does not make it go on', async () => {
    const { url, clientFor } = await guarded({ reconnectGraceMs: 100 });
    const starter = remote.backend(url, { token: 'token-of-ada' });
    const sandbox = await new SandboxClient(starter).get('own');
    const run = sandbox.exec(['cat'], { id: 'mine', stdin: true });
    run.stdin?.write('begun');
    await firstValueFrom(run.stdout$);
    const looker = await (await clientFor({ readOnly: true, sandboxId: 'own' })).get('own');
    const seen = looker.attach('mine');
    await firstValueFrom(seen.stdout$);
    const ends = Promise.allSettled([run.result(), seen.result()]);
    starter.close();
    const live = async (): Promise<readonly string[]> =>
      (await looker.processes()).flatMap(({ id, endedAtMs }) => (endedAtMs ? [] : id));
    await eventually('it has ended', async () => !(await live()).includes('mine'));
    const [, told] = await ends;
    expect(told.status).toBe('rejected');
    expect(await live()).toContain('own');
  });
});

describe('a token for one sandbox', () => {
  it('starts, observes, writes to and ends the runs of that one', async () => {
    const { own, clientFor } = await guarded();
    const sandbox = await (await clientFor({ sandboxId: 'own' })).get('own');
    const cat = sandbox.exec(['cat'], { id: 'mine', stdin: true });
    cat.stdin?.write('in');
    await cat.stdin?.close();
    expect((await cat).stdout).toBe('in');
    await sandbox.attach('own').kill('SIGKILL');
    expect(await own.cat.wait()).toBe(137);
  });

  it('reaches no run of another, by whatever it is named', async () => {
    const { url, other, tokenFor, clientFor } = await guarded();
    const scope = { sandboxId: 'own' };
    const sandbox = await (await clientFor(scope)).get('own');
    const absent = { code: 'ERR_NOT_FOUND' };
    expect(await failureOf(sandbox.attach('other').result())).toMatchObject(absent);
    expect(await failureOf(sandbox.attach('other').kill('SIGKILL'))).toMatchObject(absent);
    const token = await tokenFor(scope);
    const writing = { url, token, name: 'writeStdin' };
    expect(await ending(writing, [opening('own', 'other')])).toMatchObject({ code: 5 });
    for (const name of ['attachProcess', 'writeStdin']) {
      const call = { url, token, name };
      expect(await ending(call, [opening('other', 'other')])).toMatchObject(refused);
      const both = [opening('own', 'own'), opening('other', 'other')];
      expect(await ending(call, both)).toMatchObject(refused);
    }
    other.cat.stdin?.write('after');
    await other.cat.stdin?.close();
    expect((await other.cat).stdout).toBe('before after');
  });
});
