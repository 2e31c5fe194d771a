import { describe, expect, it } from '@jest/globals';
import {
  CancelledError,
  ConnectionLostError,
  OutputLimitError,
  SandboxError,
  SandboxExecutionError,
  SandboxFileError,
  SandboxNotFoundError,
  SandboxTimeoutError,
  SandboxValidationError,
  TimeoutError,
  UnsupportedError,
  type ExecutionFailure,
  type FileFailure,
  type SandboxErrorCode,
} from 'sandbox-rx';
import { errorToStatus } from '../../lib/wire/error-to-status.js';
import { errorFrame, errorOfFrame } from '../../lib/wire/exec-frames.js';
import {
  BadRequest,
  ErrorInfo,
  RetryInfo,
} from '../../lib/wire/generated/google/rpc/error_details.js';
import { Status } from '../../lib/wire/generated/google/rpc/status.js';
import { errorDomain, statusOfCode, statusOfFile } from '../../lib/wire/reasons.js';
import { statusToError } from '../../lib/wire/status-to-error.js';

const ids = { sandboxId: 'sb', runId: 'run' };

const executions: readonly ExecutionFailure[] = [
  ...(['not_found', 'not_executable', 'bad_cwd', 'too_large', 'not_started'] as const),
  ...(['exit_status', 'stdin_closed', 'process_over'] as const),
];

const ofTheirOwn: readonly SandboxError[] = [
  new CancelledError('enough', ids),
  new ConnectionLostError('gone', ids),
  new OutputLimitError('too long', 17, ids),
  new SandboxNotFoundError('no such', ids),
  new SandboxTimeoutError(1500, ids),
  new SandboxValidationError('bad', ids),
  new TimeoutError(99, ids),
  new UnsupportedError('attach', 'cannot', ids),
  ...executions.map((reason) => new SandboxExecutionError(reason, 'because', ids)),
  ...(Object.keys(statusOfFile) as FileFailure[]).map(
    (reason) => new SandboxFileError(reason, 'it is so', { ...ids, path: '/a/b' }),
  ),
];

const plain = (Object.keys(statusOfCode) as SandboxErrorCode[])
  .filter((code) => !ofTheirOwn.some((error) => error.code === code))
  .map((code) => new SandboxError(code, 'what happened', { ...ids, retryable: true }));

/** What makes an error what it is; of `remote`, each hop knows its own. */
function shown(error: SandboxError): unknown {
  const { name, message } = error;
  return { ...Object.fromEntries(Object.entries(error)), name, message, remote: undefined };
}

describe('an error', () => {
  it.each([...ofTheirOwn, ...plain].map((error) => [`${error.name} ${error.code}`, error]))(
    'is the same after one hop and after two: %s',
    (_, error) => {
      if (!(error instanceof SandboxError)) throw new Error();
      const once = statusToError(errorToStatus(error));
      const twice = statusToError(errorToStatus(once));
      expect(shown(once)).toEqual(shown(error));
      expect(shown(twice)).toEqual(shown(error));
      expect(Object.getPrototypeOf(once)).toBe(Object.getPrototypeOf(error));
      expect(twice.remote).toEqual(once.remote);
    },
  );

  it.each([...ofTheirOwn, ...plain].map((error) => [`${error.name} ${error.code}`, error]))(
    'is the same when a stream tells it: %s',
    (_, error) => {
      const { details } = errorToStatus(error);
      const told = errorOfFrame(errorFrame(error), {}, details);
      if (error instanceof SandboxError) expect(shown(told)).toEqual(shown(error));
    },
  );

  it.each(['not_found', 'not_executable', 'bad_cwd', 'too_large', 'not_started'] as const)(
    'tells clients of others in a frame that a command could not start: %s',
    (reason) => {
      const frame = errorFrame(new SandboxExecutionError(reason, 'because'));
      expect(frame.code).toMatch(/^COMMAND_/);
      expect(errorOfFrame(frame, ids)).toMatchObject({ reason, message: 'because', ...ids });
    },
  );

  it('tells nothing of one that is not ours', () => {
    const status = errorToStatus(new Error('password=1234'));
    expect(status).toMatchObject({ code: 13, message: 'internal error' });
    expect(Buffer.from(status.details).includes('1234')).toBe(false);
  });

  it('is never told as success, whatever its server called it', () => {
    const inBand = new SandboxError('ERR_REMOTE', 'x', { remote: { grpcCode: 0, reason: 'GAP' } });
    expect(errorToStatus(inBand)).toMatchObject({ code: 13 });
  });

  it('fits the headers of a call, and is a header: no half characters', () => {
    const long = `\ud800${'ü'.repeat(1_000_000)}`;
    const error = new SandboxFileError('not_found', long, { path: long });
    const { message, details } = errorToStatus(error);
    expect(encodeURI(message).length + details.length * (4 / 3)).toBeLessThan(16_384);
    const subject = { path: long };
    const told = statusToError({ code: 5, message, details }, subject);
    expect(told).toMatchObject({ reason: 'not_found', path: long });
    expect(told.message.split(long).length).toBe(2);
  });
});

interface Detail {
  readonly type: string;
  readonly value: Uint8Array;
}

function info(reason: string, metadata: Record<string, string> = {}, domain = errorDomain): Detail {
  return { type: 'ErrorInfo', value: ErrorInfo.encode({ reason, domain, metadata }).finish() };
}

function retry(seconds: bigint, nanos: number): Detail {
  const value = RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish();
  return { type: 'RetryInfo', value };
}

function statusWith(code: number, ...details: readonly Detail[]) {
  const anys = details.map(({ type, value }) => ({
    typeUrl: `type.googleapis.com/google.rpc.${type}`,
    value,
  }));
  return {
    code,
    message: 'said',
    details: Status.encode({ code, message: 'said', details: anys }).finish(),
  };
}

describe('a status of a server', () => {
  it.each([
    ['CWSANDBOX_FILE_NOT_FOUND', { code: 'ERR_FILE', reason: 'not_found', path: '/f' }],
    ['CWSANDBOX_FILE_IS_DIRECTORY', { code: 'ERR_FILE', reason: 'is_directory' }],
    ['CWSANDBOX_FILE_IO_FAILED', { code: 'ERR_FILE', reason: 'failed' }],
    ['CWSANDBOX_FILE_PERMISSION_DENIED', { code: 'ERR_FILE', reason: 'permission_denied' }],
    ['CWSANDBOX_FILE_TOO_LARGE', { code: 'ERR_FILE', reason: 'too_large' }],
    ['CWSANDBOX_FILE_TRUNCATED', { code: 'ERR_FILE', reason: 'failed' }],
    ['CWSANDBOX_SANDBOX_NOT_FOUND', { code: 'ERR_NOT_FOUND', retryable: false }],
    ['CWSANDBOX_FSS_NOT_FOUND', { code: 'ERR_NOT_FOUND' }],
    ['CWSANDBOX_SANDBOX_NOT_RUNNING', { code: 'ERR_SANDBOX_OVER' }],
    ['CWSANDBOX_COMMAND_TIMEOUT', { code: 'ERR_RUN_TIMEOUT', retryable: false, message: 'said' }],
    ['CWSANDBOX_RUNNER_UNAVAILABLE', { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    ['CWSANDBOX_BACKEND_UNAVAILABLE', { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    ['CWSANDBOX_FSS_BACKEND_THROTTLED', { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    ['CWSANDBOX_FSS_INFLIGHT_LIMIT', { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    ['CWSANDBOX_FSS_BUCKET_PROVISIONING', { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    ['CWSANDBOX_FSS_NOT_SUPPORTED', { code: 'ERR_UNSUPPORTED', capability: 'snapshots' }],
    ['CWSANDBOX_NOT_IMPLEMENTED', { code: 'ERR_UNSUPPORTED' }],
  ])('is what its reason says, whatever the code: %s', (reason, expected) => {
    for (const code of [2, 5, 9, 13, 14]) {
      const error = statusToError(statusWith(code, info(reason, { filepath: '/f' })));
      expect(error).toMatchObject({ ...expected, remote: { reason, grpcCode: code } });
      const foreign = statusToError(statusWith(code, info(reason, {}, 'example.com')));
      expect(foreign.code).toBe(statusToError({ code, message: 'said' }).code);
      expect(foreign.remote).toMatchObject({ reason, domain: 'example.com' });
    }
  });

  it.each([
    [1, { code: 'ERR_CANCELLED' }],
    [2, { code: 'ERR_REMOTE' }],
    [3, { code: 'ERR_VALIDATION' }],
    [4, { code: 'ERR_REQUEST_TIMEOUT', retryable: true }],
    [5, { code: 'ERR_NOT_FOUND', retryable: false }],
    [7, { code: 'ERR_PERMISSION' }],
    [8, { code: 'ERR_RESOURCE_EXHAUSTED', retryable: true }],
    [9, { code: 'ERR_REMOTE' }],
    [12, { code: 'ERR_UNSUPPORTED' }],
    [14, { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true }],
    [16, { code: 'ERR_PERMISSION', retryable: false }],
    [99, { code: 'ERR_REMOTE' }],
  ])('is what its code says where no reason does: %i', (code, expected) => {
    expect(statusToError({ code, message: 'said' })).toMatchObject(expected);
    expect(statusToError(statusWith(code, info('NEWER')))).toMatchObject(expected);
  });

  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'may hold words that every object has: %s',
    (word) => {
      const said = info(word, { sandboxrx_code: word, sandboxrx_reason: word });
      const error = statusToError(statusWith(5, said));
      expect(error).toBeInstanceOf(SandboxNotFoundError);
      const failed = info('X', { sandboxrx_code: 'ERR_FILE', sandboxrx_reason: word });
      expect(statusToError(statusWith(5, failed))).toMatchObject({ reason: 'failed' });
      expect(errorOfFrame({ code: word, message: '' }, ids)).toMatchObject({ code: 'ERR_REMOTE' });
    },
  );

  it('keeps what it says of a delay, also that it is none; the first that says one counts', () => {
    const empty = {
      type: 'RetryInfo',
      value: RetryInfo.encode({ retryDelay: undefined }).finish(),
    };
    const of = (...details: readonly Detail[]): number | undefined =>
      statusToError(statusWith(14, ...details)).remote?.retryDelayMs;
    expect(of()).toBeUndefined();
    expect(of(empty)).toBeUndefined();
    expect(of(empty, retry(0n, 0), retry(9n, 0))).toBe(0);
    expect(of(retry(1n, 250_000_000))).toBe(1250);
  });

  it('keeps the fields that it refuses, in words', () => {
    const violation = { field: 'a.b', description: '', reason: 'R', localizedMessage: undefined };
    const said = { locale: 'de', message: 'zu lang' };
    const value = BadRequest.encode({
      fieldViolations: [violation, { ...violation, field: 'c', localizedMessage: said }],
    }).finish();
    const error = statusToError(statusWith(3, { type: 'BadRequest', value }));
    expect(error).toBeInstanceOf(SandboxValidationError);
    expect(error.message).toBe('said (a.b: R; c: zu lang)');
    const violations = [
      { field: 'a.b', description: 'R' },
      { field: 'c', description: 'zu lang' },
    ];
    expect(error.remote).toMatchObject({ violations });
    expect(statusToError(errorToStatus(error)).remote).toMatchObject({ violations });
  });

  it('is read as far as it can be', () => {
    const broken = Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f);
    const details = ['ErrorInfo', 'RetryInfo', 'BadRequest', 'Unheard'].map((type) => ({
      ...{ type, value: broken },
    }));
    const known = info('CWSANDBOX_SANDBOX_NOT_FOUND');
    expect(statusToError(statusWith(13, ...details, known)).code).toBe('ERR_NOT_FOUND');
    expect(statusToError({ code: 5, message: 'm', details: broken })).toMatchObject({
      ...{ code: 'ERR_NOT_FOUND', remote: { grpcCode: 5 } },
    });
    const unnamed = statusToError(statusWith(13, info(''), known));
    expect(unnamed.code).toBe('ERR_NOT_FOUND');
  });
});
