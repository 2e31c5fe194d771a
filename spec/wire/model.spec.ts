import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY, NEVER } from 'rxjs';
import { execFileSync } from 'node:child_process';
import type { ExecRequest, SandboxSpec } from 'sandbox-rx';
import {
  decodedInput,
  decodedOutput,
  encodedOutput,
  execOpeningOf,
  execRequestOf,
} from '../../lib/wire/exec-frames.js';
import {
  CreateSandboxRequest,
  ExecStreamInit,
  ExecStreamOutput_Stream,
  ExecStreamRequest,
  ExecStreamResponse,
  Sandbox,
  SandboxStatus,
  ServiceStatus,
  State,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunOptions, SandboxOptions } from '../../lib/wire/generated/sandboxrx/v1/sandboxrx.js';
import { sandboxRequestOf, specOf } from '../../lib/wire/sandbox-request.js';
import { infoOf, isReady, isTerminal, stateOf } from '../../lib/wire/sandbox-state.js';
import { fromTimestamp, toTimestamp } from '../../lib/wire/timestamp.js';
import { concat } from '../support/bytes.js';

const naming = { image: 'image', requestId: 'request' };

describe('a spec', () => {
  it.each<SandboxSpec>([
    {},
    { command: ['sh', '-c', ''] },
    { id: 'my.own_id-1', env: { A: '', B: 'b=c' }, cwd: '/x', tags: ['a', 'a b'] },
    { lifetimeMs: 1 },
    { lifetimeMs: 2_147_483_647, network: 'none' },
    { services: [{ port: 1 }, { port: 65_535, name: 'web' }] },
    {
      network: 'host',
      limits: {
        ...{ memoryBytes: 2 ** 40, processes: 1, openFiles: 16, cpuSeconds: 2, homeBytes: 4096 },
      },
    },
  ])('is the same on the other side: %j', (spec) => {
    const { request, options } = sandboxRequestOf(spec, naming);
    const sent = CreateSandboxRequest.decode(CreateSandboxRequest.encode(request).finish());
    const message = sent.sandbox?.spec;
    if (message === undefined) throw new Error('there is a spec');
    const received = SandboxOptions.decode(SandboxOptions.encode(options).finish());
    expect(specOf(message, received)).toEqual({ env: {}, tags: [], ...spec });
    expect(sent).toMatchObject({ requestId: 'request' });
  });

  it('says as much as it can to a server that has no options', () => {
    const { request, needsOptions } = sandboxRequestOf({ lifetimeMs: 1001, tags: ['t'] }, naming);
    const { containers, ...spec } = request.sandbox?.spec ?? {};
    expect(spec).toMatchObject({ maxLifetimeSeconds: 2, tags: ['t'], primaryContainer: 'main' });
    expect(containers?.[0]).toMatchObject({ image: 'image', command: '/bin/sh' });
    expect(needsOptions).toBe(false);
    expect(sandboxRequestOf({ limits: { processes: 1 } }, naming).needsOptions).toBe(true);
    expect(sandboxRequestOf({ id: 'x' }, naming).needsOptions).toBe(true);
  });
});

describe('a state', () => {
  const told = (state: State, more: Partial<SandboxStatus> = {}) =>
    infoOf(
      Sandbox.fromPartial({
        sandboxId: 'sb',
        status: { ...SandboxStatus.create(), state, ...more },
      }),
    );

  it.each([
    ['running', undefined],
    ['completed', 0],
    ['failed', 3],
    ['failed', undefined],
    ['stopped', undefined],
  ] as const)('is the same on the other side: %s with %s', (status, returncode) => {
    const over = status !== 'running' && { reason: 'it was so' };
    const info = { id: 'sb', status, tags: [], createdAtMs: 0, ...over };
    const known = returncode === undefined ? info : { ...info, returncode };
    const { state, stateReason } = stateOf(known);
    const exit = returncode === undefined ? {} : { exitCode: returncode };
    expect(told(state, { stateReason, ...exit })).toEqual(known);
  });

  it.each<State>([
    ...[State.STATE_UNSPECIFIED, State.STATE_CREATING, State.STATE_PENDING, State.STATE_RUNNING],
    ...[State.STATE_PAUSED, State.STATE_TERMINATING, State.UNRECOGNIZED, 77 as State],
  ])('%i is none that is final, and gives no reason yet', (state) => {
    expect(told(state, { stateReason: 'it is being stopped' })).toMatchObject({
      status: 'running',
    });
    expect(told(state, { stateReason: 'it is being stopped' })).not.toHaveProperty('reason');
    expect(isTerminal(state)).toBe(false);
    expect(isReady(state)).toBe(state === State.STATE_RUNNING || state === State.STATE_PAUSED);
  });

  it('has the addresses of services while it is that of a sandbox which runs', () => {
    const services = [
      ServiceStatus.fromPartial({ port: 80, name: 'web', url: 'http://a:1' }),
      ServiceStatus.fromPartial({ port: 81, url: 'tcp:x', endpoint: { url: 'https://b' } }),
      ServiceStatus.fromPartial({ port: 82 }),
    ];
    expect(told(State.STATE_RUNNING, { services }).services).toEqual([
      { port: 80, name: 'web', url: 'http://a:1' },
      { port: 81, url: 'https://b' },
    ]);
    expect(told(State.STATE_COMPLETED, { services })).not.toHaveProperty('services');
    expect(told(State.STATE_RUNNING)).not.toHaveProperty('services');
  });

  it('of a main command is known by its exit status; without one it is not said to have succeeded', () => {
    expect(told(State.STATE_COMPLETED, { exitCode: 0 })).toMatchObject({ status: 'completed' });
    expect(told(State.STATE_COMPLETED, { exitCode: 1 })).toMatchObject({ status: 'failed' });
    expect(told(State.STATE_COMPLETED)).toMatchObject({ status: 'stopped' });
    expect(told(State.STATE_TERMINATED)).toMatchObject({ status: 'stopped' });
    expect(told(State.STATE_FAILED, { exitCode: 67 })).toMatchObject({ returncode: 67 });
    expect(infoOf(Sandbox.create())).toMatchObject({ status: 'running' });
  });

  it.each([0, 1, 999.999, 1_700_000_000_123, -1, -1500.5])('has times: %d', (ms) => {
    const { nanos } = toTimestamp(ms);
    expect(nanos >= 0 && nanos < 1e9).toBe(true);
    expect(fromTimestamp(toTimestamp(ms))).toBeCloseTo(ms, 3);
  });
});

describe('a run', () => {
  const base: ExecRequest = {
    ...{ sandboxId: 'sb', id: 'run', keep: false, command: ['printf', '%s', 'a b'], env: {} },
    ...{ stderr: 'pipe', paused$: NEVER, size$: EMPTY, killSignal: 'SIGINT' },
    ...{ killGraceMs: 0, drainGraceMs: 2_147_483_647 },
    lifecycle: { started: () => undefined, closed: () => undefined },
  };

  it.each<Partial<ExecRequest>>([
    {},
    { env: { A: 'a', __proto__x: 'b' } },
    { cwd: '/tmp' },
    { cwd: 'a b', stderr: 'stdout' },
    { stderr: 'stdout' },
    { tty: { cols: 101, rows: 33 } },
  ])('is the same on the other side: %j', (wanted) => {
    const request = { ...base, ...wanted };
    const { init, options } = execOpeningOf(request);
    const received = execRequestOf(
      ExecStreamInit.decode(ExecStreamInit.encode(init).finish()),
      RunOptions.decode(RunOptions.encode(options).finish()),
    );
    const { command, env, stderr } = request;
    expect(received).toEqual({
      ...{ command, env, stderr },
      ...(request.cwd !== undefined && { cwd: request.cwd }),
      ...(request.tty !== undefined && { tty: request.tty }),
    });
  });

  it('is wrapped in a shell that goes where it shall, and nowhere else', () => {
    const run = (cwd: string, script: string): string => {
      const { init } = execOpeningOf({
        ...{ ...base, cwd, stderr: 'stdout', command: ['sh', '-c', script, '-n', "'$(x)`"] },
      });
      const [file = '', ...args] = init.command;
      const env = { PATH: process.env['PATH'], CDPATH: '/usr', OLDPWD: '/etc' };
      return execFileSync(file, args, { cwd: '/', env, encoding: 'utf8', stdio: 'pipe' });
    };
    expect(run('/usr/bin', 'pwd; echo "$0 $1"; echo err >&2')).toBe("/usr/bin\n-n '$(x)`\nerr\n");
    expect(run('tmp', 'pwd')).toBe('/tmp\n');
    expect(() => run('-', 'pwd')).toThrow();
    expect(() => run('bin/../share', 'pwd')).toThrow();
    expect(run('', 'echo both; echo err >&2')).toBe('both\nerr\n');
  });

  it('has a terminal of the usual size where none is told', () => {
    const init = ExecStreamInit.fromPartial({ command: ['x'], tty: true });
    expect(execRequestOf(init)).toMatchObject({ tty: { cols: 80, rows: 24 } });
  });
});

describe('output in a frame', () => {
  it('is what the generated code reads, from any pieces', () => {
    const sizes = fc.constantFrom(0, 1, 2, 120, 127, 128, 16_380, 16_384, 65_536, 2_097_152);
    const piece = fc
      .tuple(sizes, fc.nat(255))
      .map(([size, byte]) => new Uint8Array(size).fill(byte));
    fc.assert(
      fc.property(
        fc.constantFrom('stdout' as const, 'stderr' as const),
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        (type, pieces, byte) => {
          const data = concat(pieces);
          const output = { type, pieces, bytes: data.length };
          const frame = concat(encodedOutput(output));
          const { STREAM_STDOUT, STREAM_STDERR } = ExecStreamOutput_Stream;
          const stream = type === 'stdout' ? STREAM_STDOUT : STREAM_STDERR;
          const { message } = ExecStreamResponse.decode(frame);
          if (message?.$case !== 'output') throw new Error('it is output');
          expect(message.value.stream).toBe(stream);
          expect(Buffer.compare(message.value.data, data)).toBe(0);
          // Read in two parts, wherever they meet.
          const at = byte % (frame.length + 1);
          const read = decodedOutput([frame.subarray(0, at), frame.subarray(at)]);
          expect(read?.stream).toBe(stream);
          expect(Buffer.compare(concat(read?.data ?? [Buffer.alloc(1)]), data)).toBe(0);
        },
      ),
    );
  });

  it('of input is read in parts, and from nothing else', () => {
    const { encode } = ExecStreamRequest;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (value, cut) => {
        const bytes = encode({ message: { $case: 'stdin', value } }).finish();
        const at = cut % (bytes.length + 1);
        const read = decodedInput([bytes.subarray(0, at), bytes.subarray(at)]);
        expect(concat(read ?? [Buffer.from('none')])).toEqual(Buffer.from(value));
        const more = concat([bytes, encode({ message: { $case: 'close', value: {} } }).finish()]);
        expect(decodedInput([more])).toBeUndefined();
        expect(decodedInput([bytes.subarray(0, -1)])).toBeUndefined();
      }),
    );
    const resize = { $case: 'resize' as const, value: { width: 80, height: 24 } };
    expect(decodedInput([encode({ message: resize }).finish()])).toBeUndefined();
    expect(decodedInput([])).toBeUndefined();
  });

  it('is not read from anything else', () => {
    const { STREAM_STDOUT: stream } = ExecStreamOutput_Stream;
    const messages: ExecStreamResponse['message'][] = [
      { $case: 'ready', value: { readyTime: undefined } },
      { $case: 'output', value: { stream: 0, data: Buffer.from('x') } },
      { $case: 'output', value: { stream, data: new Uint8Array() } },
      { $case: 'exit', value: { exitCode: 3, completedTime: undefined } },
      { $case: 'error', value: { code: 'A', message: 'b' } },
      undefined,
    ];
    for (const message of messages)
      expect(decodedOutput([ExecStreamResponse.encode({ message }).finish()])).toBeUndefined();
    const whole = concat(encodedOutput({ type: 'stdout', pieces: [Buffer.from('abc')], bytes: 3 }));
    const damaged = fc.tuple(fc.nat(whole.length), fc.nat(255), fc.nat(255));
    fc.assert(
      fc.property(damaged, ([at, byte, next]) => {
        const bytes = Uint8Array.from([...whole, next].slice(0, whole.length + (next % 2)));
        bytes[at % bytes.length] = byte;
        const read = decodedOutput([bytes]);
        if (read === undefined) return;
        const { message } = ExecStreamResponse.decode(bytes);
        const value = { ...read, data: concat(read.data) };
        expect(message).toEqual({ $case: 'output', value });
      }),
    );
  });
});
