import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Metadata,
  type handleUnaryCall,
  type ServerDuplexStream,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { spawn } from 'node:child_process';
import { inspect } from 'node:util';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { SandboxClient, SandboxError, SandboxFileError, type Sandbox } from 'sandbox-rx';
import { grpcBackend } from 'sandbox-rx/node';
import { eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';
import { errorToStatus } from '../../../lib/wire/error-to-status.js';
import {
  type CreateSandboxRequest,
  type ExecStreamRequest,
  type ExecStreamResponse,
  LogEntry,
  Sandbox as SandboxMessage,
  SandboxStatus,
  State,
  type StreamLogsRequest,
} from '../../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

type Calls = Parameters<Remote['service']>[0];
type Exec = ServerDuplexStream<ExecStreamRequest, ExecStreamResponse>;
type Message = NonNullable<ExecStreamResponse['message']>;
type Logs = ServerWritableStream<StreamLogsRequest, LogEntry>;

function told(state: State, status: Partial<SandboxStatus> = {}, id = 'remote'): SandboxMessage {
  return SandboxMessage.fromPartial({
    sandboxId: id,
    status: { ...SandboxStatus.create(), ...status, state },
  });
}

/** Answers one after the other; the last one again and again. */
function answering(...answers: readonly unknown[]) {
  let count = 0;
  const handle: handleUnaryCall<unknown, unknown> = (_, answer) => {
    const next = answers[Math.min(count++, answers.length - 1)];
    if (next instanceof Object && 'code' in next) answer(next as Partial<StatusObject>);
    else answer(null, next);
  };
  return Object.assign(handle, { count: () => count });
}

const running = { createSandbox: answering(told(State.STATE_RUNNING)) };
const unavailable = { code: 14, details: 'not now' };

async function open(calls: Calls): Promise<Sandbox> {
  const url = await remote.service({ ...running, ...calls });
  return remote.client(url, { retryBudgetMs: 5000 }).create();
}

function say(call: Exec, message: Message): void {
  call.write({ message });
}

/** A StreamExec that really runs what it is told, as a server does that knows no marks of ours. */
function really(call: Exec): void {
  call.on('error', () => undefined);
  call.on('data', ({ message }: ExecStreamRequest) => {
    if (message?.$case !== 'init') return;
    const [file = '', ...args] = message.value.command;
    const child = spawn(file, args, { env: { ...process.env, ...message.value.env }, cwd: '/' });
    say(call, { $case: 'ready', value: { readyTime: undefined } });
    child.stdin.end();
    child.stdout.on('data', (data: Buffer) => {
      say(call, { $case: 'output', value: { stream: 1, data } });
    });
    child.stderr.on('data', (data: Buffer) => {
      say(call, { $case: 'output', value: { stream: 2, data } });
    });
    child.once('close', (code) => {
      say(call, { $case: 'exit', value: { exitCode: code ?? -1, completedTime: undefined } });
      call.end();
    });
  });
}

describe('runs of a server that is none of ours', () => {
  it('start in their directory, and join their outputs, by a shell', async () => {
    const sandbox = await open({ streamExec: really });
    const script = 'pwd; echo "$A" >&2; echo end; exit 3';
    const result = await sandbox.exec(['sh', '-c', script], {
      ...{ cwd: '/usr/bin', stderr: 'stdout', env: { A: 'err' } },
    });
    expect(result).toMatchObject({ stdout: '/usr/bin\nerr\nend\n', stderr: '', returncode: 3 });
  });

  it('give their exit although the server keeps the stream open, and whatever ends it', async () => {
    let cancelled = 0;
    const sandbox = await open({
      streamExec: (call: Exec) => {
        call.on('cancelled', () => cancelled++);
        call.on('error', () => undefined);
        say(call, { $case: 'exit', value: { exitCode: 9, completedTime: undefined } });
      },
    });
    expect(await sandbox.exec(['x'], { stdin: true }).wait()).toBe(9);
    await eventually('the stream is closed', () => cancelled === 1);
  });

  it.each([
    ['STREAM_BACKPRESSURE', 'ERR_REMOTE'],
    ['STREAM_TRUNCATED', 'ERR_REMOTE'],
    ['', 'ERR_REMOTE'],
    ['COMMAND_NOT_FOUND', 'ERR_NOT_STARTED'],
  ])('fail where the stream tells an error: %j', async (code, expected) => {
    const sandbox = await open({
      streamExec: (call: Exec) => {
        say(call, { $case: 'output', value: { stream: 0, data: Buffer.from('before') } });
        say(call, { $case: 'error', value: { code, message: 'told' } });
      },
    });
    const process = sandbox.exec(['x']);
    let text = '';
    process.stdout$.subscribe({ next: (more) => (text += more), error: () => undefined });
    const error = await failureOf(process.wait());
    expect(error).toMatchObject({ code: expected, message: expect.stringContaining('told') });
    expect(text).toBe('before');
    await process.closed;
  });

  it('have no outcome where the stream ends without one', async () => {
    const sandbox = await open({
      streamExec: (call: Exec) => {
        say(call, { $case: 'output', value: { stream: 1, data: Buffer.from('half') } });
        call.end();
      },
    });
    expect(await failureOf(sandbox.exec(['x']).wait())).toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      sandboxId: 'remote',
    });
  });

  it.each([1, 2, 4, 13, 14])('have no outcome where the call fails with %i', async (code) => {
    const sandbox = await open({
      streamExec: (call: Exec) => {
        call.sendMetadata(new Metadata());
        call.emit('error', { code, details: 'broken' });
      },
    });
    const process = sandbox.exec(['x']);
    expect(await failureOf(process.wait())).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    await process.closed;
  });

  it('fail as a reason says, also after they began', async () => {
    const status = errorToStatus(new SandboxError('ERR_SANDBOX_OVER', 'it is over'));
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(status.details));
    const sandbox = await open({
      streamExec: (call: Exec) => {
        call.sendMetadata(new Metadata());
        call.emit('error', { code: 13, details: 'it is over', metadata });
      },
    });
    expect(await failureOf(sandbox.exec(['x']).wait())).toMatchObject({ code: 'ERR_SANDBOX_OVER' });
  });
});

describe('sandboxes of a server that is none of ours', () => {
  it('are asked for until they are ready, also by a server that is now and then not there', async () => {
    const getSandbox = answering(
      ...[told(State.STATE_CREATING), unavailable, unavailable, told(State.STATE_PENDING)],
      ...[{ code: 8, details: 'slow down' }, told(State.STATE_RUNNING)],
    );
    const sandbox = await open({
      createSandbox: answering(told(State.STATE_CREATING)),
      getSandbox,
    });
    expect(sandbox.id).toBe('remote');
    expect(getSandbox.count()).toBe(6);
  });

  it('are given up when the server is gone for longer than the budget', async () => {
    const getSandbox = answering(unavailable);
    const url = await remote.service({
      createSandbox: answering(told(State.STATE_CREATING)),
      deleteSandbox: answering({}),
      getSandbox,
    });
    const creating = remote.client(url, { retryBudgetMs: 600 }).create();
    expect(await failureOf(creating)).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(getSandbox.count()).toBeGreaterThan(1);
  });

  it('are asked to be made again, by the same request id, while the server is not available', async () => {
    const ids: string[] = [];
    const createSandbox: handleUnaryCall<CreateSandboxRequest, unknown> = ({ request }, answer) => {
      ids.push(request.requestId);
      if (ids.length < 3) answer(unavailable);
      else answer(null, told(State.STATE_RUNNING));
    };
    const client = remote.client(await remote.service({ createSandbox }), { retryBudgetMs: 5000 });
    expect((await client.create()).id).toBe('remote');
    expect(ids).toEqual([ids[0], ids[0], ids[0]]);
    await client.create();
    expect(ids[3]).not.toBe(ids[0]);
  });

  it.each([
    ['is full', { code: 8, details: 'no room' }, 'ERR_RESOURCE_EXHAUSTED'],
    ['says nothing', { code: 4, details: 'late' }, 'ERR_REQUEST_TIMEOUT'],
    ['has failed', { code: 13, details: 'broken' }, 'ERR_REMOTE'],
  ])('are not asked to be made again by a server that %s', async (_, failure, code) => {
    const createSandbox = answering(failure);
    const client = remote.client(await remote.service({ createSandbox }));
    expect(await failureOf(client.create())).toMatchObject({ code });
    expect(createSandbox.count()).toBe(1);
  });

  it('are not asked for again where there is no server', async () => {
    // Nobody listens there.
    const client = remote.client('http://127.0.0.1:9', { retryBudgetMs: 2_000_000 });
    expect(await failureOf(client.create())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
  });

  it('are none where they could not be started', async () => {
    const failed = told(State.STATE_FAILED, { stateReason: 'ImagePullBackOff' });
    const opening = open({
      createSandbox: answering(told(State.STATE_CREATING)),
      getSandbox: answering(failed),
    });
    expect(await failureOf(opening)).toMatchObject({
      ...{ code: 'ERR_SANDBOX_OVER', sandboxId: 'remote' },
      message: expect.stringContaining('ImagePullBackOff'),
    });
  });

  it('may be over before they were ever seen to run', async () => {
    const over = told(State.STATE_COMPLETED, { exitCode: 4 });
    const sandbox = await open({
      createSandbox: answering(over),
      getSandbox: answering(over),
      listSandboxes: answering({ sandboxes: [over], nextPageToken: '' }),
    });
    expect(await sandbox.wait()).toMatchObject({ status: 'failed', returncode: 4 });
  });

  it.each([
    ['comes later', { exitCode: 0 }, { status: 'completed', returncode: 0 }],
    ['never comes', {}, { status: 'stopped' }],
  ])('are over when their exit status is known, or it %s', async (_, last, expected) => {
    const page = (state: State, status: Partial<SandboxStatus> = {}) => ({
      ...{ sandboxes: [told(state, status)], nextPageToken: '' },
    });
    const over = page(State.STATE_COMPLETED);
    const listSandboxes = answering(
      ...[page(State.STATE_RUNNING), over, over, page(State.STATE_COMPLETED, last)],
    );
    const getSandbox = answering(told(State.STATE_RUNNING));
    const url = await remote.service({ ...running, getSandbox, listSandboxes });
    const sandbox = await remote.client(url, { watchIntervalMs: 20 }).create();
    expect(await sandbox.wait()).toMatchObject(expected);
    expect(listSandboxes.count()).toBe(4);
  });

  it('are gone for who deleted them, although the server keeps a record', async () => {
    const over = told(State.STATE_COMPLETED, { exitCode: 143 });
    const url = await remote.service({
      ...running,
      deleteSandbox: answering({
        ...{ sandbox: told(State.STATE_TERMINATING), fileSystemSnapshotIds: [] },
      }),
      getSandbox: answering(told(State.STATE_TERMINATING), over),
      listSandboxes: answering({ sandboxes: [over], nextPageToken: '' }),
    });
    const client = remote.client(url);
    await (await client.create()).delete();
    expect(await client.list()).toEqual([]);
    expect(await failureOf(client.get('remote'))).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('are listed page by page, and a list without end is refused', async () => {
    const page = (id: string, nextPageToken: string) => ({
      ...{ sandboxes: [told(State.STATE_RUNNING, {}, id)], nextPageToken },
    });
    const good = answering(page('a', '1'), page('b', '2'), page('c', ''));
    const client = remote.client(await remote.service({ listSandboxes: good }));
    expect((await client.list()).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    const endless = answering(page('a', 'again'));
    const other = remote.client(await remote.service({ listSandboxes: endless }));
    expect(await failureOf(other.list())).toMatchObject({ code: 'ERR_REMOTE' });
    expect(endless.count()).toBe(2);
  });

  it('have large files read by a command', async () => {
    const tooLarge = new SandboxFileError('too_large', 'x', { path: '/etc/hostname' });
    const { details } = errorToStatus(tooLarge);
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(details));
    const sandbox = await open({
      streamExec: really,
      readFile: answering({ code: 9, details: 'x', metadata }),
    });
    expect((await sandbox.files.readText('/etc/passwd')).startsWith('root:')).toBe(true);
  });
});

describe('logs of a server that is none of ours', () => {
  /** Each stream that is opened is answered by the next of these. */
  async function following(...streams: readonly ((call: Logs) => void)[]) {
    const asked: StreamLogsRequest[] = [];
    const sandbox = await open({
      streamLogs: (call: Logs) => {
        asked.push(call.request);
        streams[asked.length - 1]?.(call);
      },
    });
    const text = lastValueFrom(sandbox.logs$({ follow: true }).pipe(toArray()));
    const joined = text.then((events) => events.map(({ data }) => String(data)).join(''));
    return { asked, text: joined };
  }

  const entry = (text: string, end: number): LogEntry =>
    LogEntry.fromPartial({
      ...{ data: Buffer.from(text), logSessionId: 's', nextLogOffset: BigInt(end) },
    });
  const failing = (code: string): LogEntry =>
    LogEntry.fromPartial({ error: { code, message: '' } });

  it('are taken up where they broke', async () => {
    const { asked, text } = await following(
      (call) => {
        call.write(entry('one ', 4));
        call.write(failing('STREAM_INTERRUPTED'));
        call.end();
      },
      (call) => call.emit('error', unavailable),
      (call) => {
        call.write(entry('two', 7));
        call.end();
      },
    );
    expect(await text).toBe('one two');
    expect(asked.map((request) => [request.resumeLogSessionId, request.resumeLogOffset])).toEqual([
      ...[
        ['', 0n],
        ['s', 4n],
        ['s', 4n],
      ],
    ]);
  });

  it.each(['SESSION_NOT_FOUND', 'REPLAY_GAP', 'RUNNER_UNAVAILABLE', 'RUNNER_DRAINING'])(
    'begin anew while nothing has been told, and else say what happened: %s',
    async (code) => {
      const broken = (call: Logs): void => {
        call.write(failing(code));
        call.end();
      };
      const whole = (call: Logs): void => {
        call.write(entry('all', 3));
        call.end();
      };
      expect(await (await following(broken, whole)).text).toBe('all');
      const { asked, text } = await following((call) => {
        call.write(entry('half', 4));
        broken(call);
      }, whole);
      expect(await failureOf(text)).toMatchObject({ remote: { reason: code } });
      expect(asked.length).toBe(1);
    },
  );

  it('are given up after some times', async () => {
    const { asked, text } = await following(
      ...Array.from({ length: 9 }, () => (call: Logs) => void call.emit('error', unavailable)),
    );
    expect(await failureOf(text)).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(asked.length).toBe(4);
  });
});

describe('what is sent with each call', () => {
  it('is the token of now, the metadata, and what the environment says', async () => {
    const seen: string[] = [];
    const listSandboxes: handleUnaryCall<unknown, unknown> = ({ metadata }, answer) => {
      seen.push([metadata.get('authorization'), metadata.get('x-me')].join('|'));
      answer(null, { sandboxes: [], nextPageToken: '' });
    };
    const url = await remote.service({ listSandboxes });
    let token = 'a';
    const client = remote.client(url, { token: () => token, metadata: { 'x-me': 'me' } });
    await client.list();
    token = 'b';
    await client.list();
    const before = { ...process.env };
    try {
      process.env['CWSANDBOX_BASE_URL'] = url;
      process.env['CWSANDBOX_API_KEY'] = ' key\n';
      const fromEnvironment = remote.add(grpcBackend(), (opened) => opened.close());
      await new SandboxClient(fromEnvironment).list();
      process.env['CWSANDBOX_API_KEY'] = '';
      await firstValueFrom(remote.backend(url).list({}), { defaultValue: undefined });
    } finally {
      process.env = before;
    }
    expect(seen).toEqual(['Bearer a|me', 'Bearer b|me', 'Bearer key|', '|']);
  });

  it('cannot be had: then the call was not made', async () => {
    const url = await remote.service({ ...running, streamExec: really });
    let isBroken = false;
    const token = (): string => {
      if (isBroken) throw new Error('no keychain');
      return 'x';
    };
    const sandbox = await remote.client(url, { token }).create();
    isBroken = true;
    const run = sandbox.exec(['true']);
    expect(await failureOf(run.wait())).toMatchObject({
      ...{ code: 'ERR_BACKEND_UNAVAILABLE', cause: { message: 'no keychain' } },
    });
    await run.closed;
  });

  it.each([
    ['token', { token: () => 'topsecret\nx' }, {}],
    ['CWSANDBOX_API_KEY', {}, { CWSANDBOX_API_KEY: 'topsecreté' }],
  ])('cannot be sent: then it is refused, and not shown: %s', async (name, options, variables) => {
    const client = remote.client(await remote.service({}), options);
    const before = { ...process.env };
    try {
      Object.assign(process.env, variables);
      const error = await failureOf(client.list());
      expect(error).toMatchObject({ code: 'ERR_VALIDATION', retryable: false });
      expect(inspect(error)).toContain(`${name} must be a string of printable ASCII`);
      expect(inspect(error)).not.toContain('topsecret');
    } finally {
      process.env = before;
    }
  });

  it.each(['x-key', 'x-key-bin'])('is not shown where it is refused at once: %s', (key) => {
    const metadata = { [key]: 'topsecreté' };
    const refused = (): unknown => grpcBackend({ url: 'http://127.0.0.1:1', metadata });
    expect(refused).toThrow(`metadata.${key} must be a`);
    expect(refused).not.toThrow('topsecret');
  });

  it('is refused after close(), and nothing waits', async () => {
    const url = await remote.service({ ...running, streamExec: really });
    const backend = remote.backend(url);
    const sandbox = await new SandboxClient(backend).create();
    backend.close();
    const run = sandbox.exec(['true']);
    expect(await failureOf(run.wait())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    await run.closed;
  });
});
