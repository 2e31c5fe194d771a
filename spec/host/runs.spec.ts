import { afterEach, describe, expect, it } from '@jest/globals';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { localBackend } from 'sandbox-rx/node';
import { SandboxClient } from 'sandbox-rx';
import { memoryBackend } from 'sandbox-rx/testing';
import type {
  AttachProcessResponse,
  StartProcessResponse,
  WriteStdinResponse,
} from '../../lib/wire/generated/sandboxrx/v1/runs.js';
import { elapsed, eventually } from '../contract/kit.js';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { badRequest, refusalOf, Remote, type BareClient, type BareEnd } from '../support/remote.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

/** A host with a sandbox, and callers of the service who are no client of this library. */
async function opened(kind: 'local' | 'memory' = 'local') {
  const backend =
    kind === 'local'
      ? localBackend({ isolation: 'none' })
      : memoryBackend({ programs: memoryPrograms });
  const url = await remote.host(backend);
  const sandbox = await new SandboxClient(remote.backend(url)).create();
  return { bare: remote.bare(url), sandbox, sandboxId: sandbox.id, runId: 'run' };
}

type Opened = Awaited<ReturnType<typeof opened>>;

async function started({ bare, sandboxId }: Opened, fields: object = {}): Promise<BareEnd> {
  const request = {
    ...{ requestId: 'starter', stdin: true, options: { runId: 'run', killGraceMs: 100 } },
    ...fields,
  };
  const init = {
    sandboxId,
    command: ['cat'],
    ...('init' in fields ? (fields.init as object) : {}),
  };
  return bare.unary('startProcess', bare.encoded('startProcess', { ...request, init }));
}

function answerOf({ messages: [answer] }: BareEnd): StartProcessResponse {
  return answer as StartProcessResponse;
}

/** A stream of calls by hand: what has come, and how it ended. */
class BareStream<Response> {
  readonly messages: Response[] = [];
  ended: BareEnd | undefined;
  readonly #name: string;
  readonly #bare: BareClient;
  readonly #stream: ClientDuplexStream<unknown, unknown>;

  constructor(bare: BareClient, name: string) {
    this.#bare = bare;
    this.#name = name;
    this.#stream = bare.stream(name);
    this.#stream.on('data', (message: Response) => this.messages.push(message));
    this.#stream.on('error', () => undefined);
    this.#stream.on('status', ({ code, details: message, metadata }) => {
      this.ended = { code, message, metadata, messages: this.messages };
    });
  }

  send($case: string, value: unknown): void {
    this.#stream.write(this.#bare.encoded(this.#name, { message: { $case, value } }));
  }

  leave(): void {
    this.#stream.end();
  }

  /** Reads nothing more. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  async end(): Promise<BareEnd> {
    await eventually('the call ends', () => this.ended !== undefined);
    if (this.ended === undefined) throw new Error('it did not end');
    return this.ended;
  }
}

function writer(
  { bare, sandboxId, runId }: Opened,
  fields: object,
): BareStream<WriteStdinResponse> {
  const stream: BareStream<WriteStdinResponse> = new BareStream(bare, 'writeStdin');
  stream.send('open', { sandboxId, runId, ...fields });
  return stream;
}

function observer(
  { bare, sandboxId, runId }: Opened,
  fields: object,
): BareStream<AttachProcessResponse> & { readonly text: () => string } {
  const stream: BareStream<AttachProcessResponse> = new BareStream(bare, 'attachProcess');
  stream.send('open', { sandboxId, runId, ...fields });
  const text = (): string =>
    stream.messages
      .map(({ message }) => (message?.$case === 'output' ? message.value.data : new Uint8Array()))
      .reduce((all, data) => all + Buffer.from(data).toString('latin1'), '');
  return Object.assign(stream, { text });
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const stdinClosed = { code: 9, reason: 'SANDBOXRX_STDIN_CLOSED' };

describe('StartProcess', () => {
  it('starts a run once, and tells who started it', async () => {
    const host = await opened();
    const answers = [];
    for (const requestId of ['starter', 'starter', 'another'])
      answers.push(answerOf(await started(host, { requestId })));
    expect(answers.map(({ started }) => started)).toEqual([true, true, false]);
    expect(new Set(answers.map(({ epoch }) => epoch)).size).toBe(1);
  });

  it('starts nothing when it is asked again for a run that is over', async () => {
    const host = await opened();
    const fields = { init: { command: ['sh', '-c', 'echo once'] }, stdin: false };
    await started(host, fields);
    const run = observer(host, { observerId: 'starter' });
    await eventually('it is over', () => run.messages.at(-1)?.message?.$case === 'exit');
    run.leave();
    expect((await run.end()).code).toBe(0);
    expect(answerOf(await started(host, fields))).toMatchObject({ started: true });
    expect((await host.sandbox.attach('run').result()).stdout).toBe('once\n');
  });

  it.each<readonly [string, object, ...(readonly string[])]>([
    ['no id of the run', { options: {} }, 'run_id'],
    ['no id of the request', { requestId: '' }, 'request_id'],
    ['a fate that there is not', { onDisconnect: 7 }, 'on_disconnect'],
    ['no command', { init: { command: [] } }, 'init.command'],
    ['a grace that no timer takes', { options: { runId: 'run', killGraceMs: 2 ** 31 } }, 'options'],
  ])('is refused with %s', async (_, fields, ...names) => {
    expect(refusalOf(await started(await opened('memory'), fields))).toEqual(badRequest(...names));
  });
});

describe('AttachProcess', () => {
  it('makes the run wait for an observer who confirms nothing', async () => {
    const host = await opened();
    await started(host, { init: { command: ['cat', '/dev/zero'] }, stdin: false });
    const run = observer(host, { observerId: 'starter' });
    await eventually('it waits', async () => {
      const before = run.text().length;
      await elapsed(200);
      return before > 0 && run.text().length === before;
    });
    const told = run.text().length;
    expect(told).toBeLessThan(5_000_000);
    run.send('received', { stdout: BigInt(told) });
    await eventually('it goes on', () => run.text().length > told);
    // Again, by the same observer: what it has not confirmed, from its first byte on.
    const again = observer(host, { observerId: 'starter', from: { stdout: BigInt(told) } });
    await eventually('it is told again', () => again.text().length > 0);
    expect(again.messages.map(({ message }) => message?.$case)).not.toContain('position');
    expect((await run.end()).code).toBe(0);
    again.leave();
    expect((await again.end()).code).toBe(0);
  });

  it('makes the run wait also for one who confirms what was never sent', async () => {
    const host = await opened();
    const written = join(mkdtempSync(join(tmpdir(), 'sandbox-rx-runs-')), 'written');
    const script = 'while :; do head -c 1000000 /dev/zero; echo >> "$0"; done';
    await started(host, { init: { command: ['sh', '-c', script, written] }, stdin: false });
    const run = observer(host, { observerId: 'starter' });
    await eventually('it is told', () => run.messages.length > 0);
    run.pause();
    for (let round = 0; round < 100; round++) {
      run.send('received', { stdout: 2n ** 53n });
      await elapsed(10);
    }
    expect(readFileSync(written).length).toBeLessThan(30);
    rmSync(dirname(written), { recursive: true });
  });

  it('of a host that was restarted says that the run is lost', async () => {
    const host = await opened();
    await started(host);
    const run = observer(host, { observerId: 'starter', epoch: 'another' });
    expect(refusalOf(await run.end())).toMatchObject({ reason: 'SANDBOXRX_CONNECTION_LOST' });
  });

  it.each<readonly [string, string, unknown, string]>([
    ['a size of a run without a terminal', 'resize', { width: 80, height: 24 }, 'resize'],
    ['a second opening', 'open', {}, 'open'],
  ])('is refused with %s', async (_, $case, value, field) => {
    const host = await opened('memory');
    await started(host, { init: { command: ['sleep'] } });
    const run = observer(host, { observerId: 'starter' });
    run.send($case, value);
    expect(refusalOf(await run.end())).toEqual(badRequest(field));
  });

  it('is refused when it does not begin with its opening', async () => {
    const { bare } = await opened('memory');
    const run: BareStream<unknown> = new BareStream(bare, 'attachProcess');
    run.send('received', {});
    expect(refusalOf(await run.end())).toEqual(badRequest('open'));
  });
});

describe('WriteStdin', () => {
  it('takes by offset: what comes again is dropped, and what came before a break is there', async () => {
    const host = await opened();
    await started(host);
    const run = observer(host, { observerId: 'starter' });
    const first = writer(host, { writerId: 'starter' });
    first.send('data', { offset: 0n, data: bytesOf('one ') });
    await eventually('it is taken', () => first.messages.at(-1)?.accepted === 4n);
    const second = writer(host, { writerId: 'starter' });
    await eventually('it says what is there', () => second.messages[0]?.received === 4n);
    expect(refusalOf(await first.end())).toMatchObject(stdinClosed);
    second.send('data', { offset: 0n, data: bytesOf('one two ') });
    second.send('data', { offset: 2n, data: bytesOf('e t') });
    second.send('data', { offset: 8n, data: bytesOf('three') });
    second.send('end', 13n);
    await eventually('it is over', () => run.messages.at(-1)?.message?.$case === 'exit');
    expect(run.text()).toBe('one two three');
    expect((await second.end()).code).toBe(0);
    expect(second.messages.at(-1)).toMatchObject({ received: 13n, accepted: 13n, over: true });
  });

  it('tells one who did not read for a while how it stands now, not all that was', async () => {
    const host = await opened('memory');
    await started(host);
    const lines = writer(host, { writerId: 'starter' });
    await eventually('it has begun', () => lines.messages.length > 0);
    lines.pause();
    const count = 40_000;
    for (let offset = 0; offset < count; offset++) {
      lines.send('data', { offset: BigInt(offset), data: bytesOf('x') });
      if (offset % 1000 === 0) await elapsed(0);
    }
    // Over another connection: this one is full of what is not read.
    let taken = 0;
    const watching = host.sandbox.attach('run').stdout$.subscribe((text) => (taken += text.length));
    await eventually('all is taken', () => taken === count);
    watching.unsubscribe();
    lines.resume();
    await eventually('it is told', () => lines.messages.at(-1)?.accepted === BigInt(count));
    expect(lines.messages.length).toBeLessThan(count / 2);
  });

  it('is refused where something is missing before it', async () => {
    const host = await opened();
    await started(host);
    const ahead = writer(host, { writerId: 'starter' });
    ahead.send('data', { offset: 1n, data: bytesOf('x') });
    expect(refusalOf(await ahead.end())).toEqual(badRequest('data.offset'));
    const early = writer(host, { writerId: 'starter' });
    early.send('end', 1n);
    expect(refusalOf(await early.end())).toEqual(badRequest('end'));
  });

  it('has one writer at a time, unless another one takes over', async () => {
    const host = await opened();
    await started(host);
    const starter = writer(host, { writerId: 'starter' });
    await eventually('it has begun', () => starter.messages.length > 0);
    const other = writer(host, { writerId: 'other' });
    expect(refusalOf(await other.end())).toMatchObject(stdinClosed);
    const taker = writer(host, { writerId: 'other', takeOver: true });
    expect(refusalOf(await starter.end())).toMatchObject(stdinClosed);
    taker.send('data', { offset: 0n, data: bytesOf('taken') });
    const run = observer(host, { observerId: 'starter' });
    await eventually('it is read', () => run.text() === 'taken');
  });

  it('is refused where the run has no input, or is none', async () => {
    const host = await opened();
    await started(host, { stdin: false, init: { command: ['sleep', '60'] } });
    expect(refusalOf(await writer(host, { writerId: 'starter' }).end())).toMatchObject(stdinClosed);
    const nobody = writer({ ...host, runId: 'nobody' }, { writerId: 'starter' });
    expect(refusalOf(await nobody.end())).toMatchObject({ code: 5 });
  });
});

describe('SignalProcess', () => {
  it.each<readonly [string, object, object]>([
    ['what is no signal', { signal: 'term' }, badRequest('signal')],
    ['a run that there is not', { signal: 'SIGTERM' }, { code: 5 }],
  ])('is refused for %s', async (_, fields, refusal) => {
    const { bare, sandboxId } = await opened();
    const request = bare.encoded('signalProcess', { sandboxId, runId: 'nobody', ...fields });
    expect(refusalOf(await bare.unary('signalProcess', request))).toMatchObject(refusal);
  });
});
