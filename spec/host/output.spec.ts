import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:http2';
import { map } from 'rxjs';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { err, exit, memoryBackend, out, type Program, type ProgramStep } from 'sandbox-rx/testing';
import {
  ExecStreamOutput_Stream as Stream,
  ExecStreamRequest,
  type ExecStreamResponse,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { elapsed, eventually } from '../contract/kit.js';
import { metricsUntil } from '../support/metrics.js';
import { Remote } from '../support/remote.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const pieceBytes = 1000;
const pieceCount = 24_000;

/** Pieces with a number each: long stretches of standard output, with a little standard error between them. */
const pieces = Array.from({ length: pieceCount }, (_, index) => ({
  isError: index % 500 > 490,
  text: String(index).padEnd(pieceBytes),
}));

async function streamOf(program: Program, options: HostOptions = {}) {
  const url = await remote.host(memoryBackend({ programs: { program } }), options);
  const { id: sandboxId } = await remote.client(url).create();
  const stream = remote.bare(url).stream('streamExec');
  stream.on('error', () => undefined);
  const value = { sandboxId, command: ['program'] };
  stream.write(ExecStreamRequest.fromPartial({ message: { $case: 'init', value } }));
  return stream;
}

describe('the output of a run', () => {
  it('comes in large frames to a caller who is behind, whole and in its order', async () => {
    let taken = 0;
    function* flood(): Iterable<ProgramStep> {
      for (const { isError, text } of pieces) {
        taken++;
        yield isError ? err(text) : out(text);
      }
      yield exit(4);
    }
    const stream = await streamOf(flood);
    const frames: { readonly isError: boolean; readonly text: string }[] = [];
    let returncode: number | undefined;
    let isOver = false;
    stream.on('end', () => (isOver = true));
    stream.on('data', ({ message }: ExecStreamResponse) => {
      if (message?.$case === 'exit') returncode = message.value.exitCode;
      if (message?.$case !== 'output') return;
      const { stream: from, data } = message.value;
      frames.push({
        isError: from === Stream.STREAM_STDERR,
        text: new TextDecoder().decode(data),
      });
    });
    stream.pause();
    let before = -1;
    await eventually('the program waits', async () => {
      const still = taken > 0 && taken === before;
      before = taken;
      await elapsed(100);
      return still;
    });
    // What the connection, its ends and the host hold; grpc-js takes 16 messages for who does not read.
    expect(taken * pieceBytes).toBeLessThan(2 ** 24);

    stream.resume();
    await eventually('it is over', () => isOver);
    expect(returncode).toBe(4);
    const told = frames.flatMap(({ isError, text }) =>
      Array.from({ length: text.length / pieceBytes }, (_, index) => ({
        isError,
        text: text.slice(index * pieceBytes, (index + 1) * pieceBytes),
      })),
    );
    expect(told).toEqual(pieces);
    const sizes = frames.map(({ text }) => text.length);
    expect(Math.max(...sizes)).toBeGreaterThan(200_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(524_288);
  });

  it('comes in frames of no more than maxFrameBytes, in whatever pieces it was written', async () => {
    const text = Array.from({ length: 10_000 }, (_, index) => String(index)).join(' ');
    const stream = await streamOf([out(text), exit(0)], { limits: { maxFrameBytes: 1024 } });
    const frames: string[] = [];
    let isOver = false;
    stream.on('end', () => (isOver = true));
    stream.on('data', ({ message }: ExecStreamResponse) => {
      if (message?.$case === 'output') frames.push(new TextDecoder().decode(message.value.data));
    });
    await eventually('it is over', () => isOver);
    expect(frames.join('')).toBe(text);
    expect(Math.max(...frames.map(({ length }) => length))).toBe(1024);
  });

  it('comes piece by piece to one who keeps up', async () => {
    const stream = await streamOf(({ stdin$ }) => stdin$.pipe(map(out)));
    const heard: string[] = [];
    stream.on('data', ({ message }: ExecStreamResponse) => {
      if (message?.$case === 'output') heard.push(new TextDecoder().decode(message.value.data));
    });
    for (const said of ['a', 'b', 'c']) {
      stream.write({ message: { $case: 'stdin', value: Buffer.from(said) } });
      await eventually(`${said} is back`, () => heard.at(-1) === said);
    }
    stream.cancel();
    expect(heard).toEqual(['a', 'b', 'c']);
  });
});

describe('a run with a deadline', () => {
  it('is ended by it also where its caller reads nothing, and says nothing', async () => {
    function* flood(): Iterable<ProgramStep> {
      for (;;) yield out('x'.repeat(10_000));
    }
    const host = new Host(memoryBackend({ programs: { flood } }), { metricsPort: 0 });
    const url = await remote.add(host, (one) => one.close()).listen();
    const { id: sandboxId } = await remote.client(url).create();
    const value = { sandboxId, command: ['flood'] };
    const init = ExecStreamRequest.fromPartial({ message: { $case: 'init', value } });
    const message = ExecStreamRequest.encode(init).finish();
    const session = remote.add(connect(url), (one) => {
      one.destroy();
    });
    const call = session.request({
      ...{ ':method': 'POST', ':path': '/coreweave.sandbox.v1.SandboxService/StreamExec' },
      ...{ 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '500m' },
    });
    call.on('error', () => undefined);
    call.write(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    await metricsUntil(host.metricsUrl ?? '', { sandboxrx_runs_live: 1 });
    await metricsUntil(host.metricsUrl ?? '', {
      sandboxrx_runs_live: 0,
      'sandboxrx_runs_ended_total{outcome="cancelled"}': 1,
    });
  });
});
