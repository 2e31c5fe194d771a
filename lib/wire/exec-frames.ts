import type { Parts } from '../process/bytes.js';
import { SandboxExecutionError, type ExecutionFailure } from '../process/errors/errors.js';
import { SandboxError, type SandboxErrorDetails } from '../process/errors/sandbox-error.js';
import type { OutputStream } from '../process/process-event.js';
import type { ExecRequest } from '../sandbox/backend.js';
import {
  ExecStreamOutput_Stream,
  type ExecStreamError,
  type ExecStreamInit,
} from './generated/coreweave/sandbox/v1/sandbox.js';
import { RunOptions } from './generated/sandboxrx/v1/sandboxrx.js';
import { errorToStatus } from './error-to-status.js';
import { FieldReader } from './field-reader.js';
import { readStatus } from './status-details.js';
import { statusToError, type CallSubject } from './status-to-error.js';

/** A run as StreamExec takes it. */
export interface ExecOpening {
  readonly init: ExecStreamInit;
  /** What the message has no fields for. */
  readonly options: RunOptions;
}

/**
 * A run as StreamExec takes it. The message has no working directory and cannot join the output streams, so the command
 * is wrapped in a shell that does both; a host of ours takes it out again.
 */
export function execOpeningOf(request: ExecRequest): ExecOpening {
  const { sandboxId, command, env, tty, cwd = '', id: runId } = request;
  const joinStderr = request.stderr === 'stdout' && tty === undefined;
  const wrapping = wrappingOf(cwd, joinStderr);
  return {
    init: {
      sandboxId,
      command: [...wrapping, ...command],
      container: '',
      tty: tty !== undefined,
      ttyWidth: tty?.cols ?? 0,
      ttyHeight: tty?.rows ?? 0,
      env: { ...env },
    },
    options: {
      runId,
      wrappingWords: wrapping.length,
      cwd,
      joinStderr,
      killSignal: request.killSignal,
      killGraceMs: request.killGraceMs,
      drainGraceMs: request.drainGraceMs,
    },
  };
}

function wrappingOf(cwd: string, joinStderr: boolean): readonly string[] {
  if (cwd === '' && !joinStderr) return [];
  const enter = cwd === '' ? 'shift' : 'cd -- "$1" && shift';
  const script = `${enter} && exec "$@"${joinStderr ? ' 2>&1' : ''}`;
  // `cd` has its own ideas of `-`, and looks for other relative paths in CDPATH.
  const directory = cwd === '' || cwd.startsWith('/') ? cwd : `./${cwd}`;
  return ['/bin/sh', '-c', script, 'sandbox-rx', directory];
}

/** What a host does with an opening: the inverse of {@link execOpeningOf}. */
export function execRequestOf(
  { command, env, tty, ttyWidth, ttyHeight }: ExecStreamInit,
  options: RunOptions = RunOptions.create(),
): Pick<ExecRequest, 'command' | 'env' | 'stderr'> & Partial<Pick<ExecRequest, 'cwd' | 'tty'>> {
  const { wrappingWords, cwd, joinStderr } = options;
  return {
    command: command.slice(wrappingWords),
    env,
    stderr: joinStderr ? 'stdout' : 'pipe',
    ...(cwd !== '' && { cwd }),
    ...(tty && { tty: { cols: ttyWidth || 80, rows: ttyHeight || 24 } }),
  };
}

/** Output that makes one frame. */
export interface FrameOutput {
  readonly type: OutputStream;
  /** One after another. */
  readonly pieces: Parts;
  /** Of all pieces. */
  readonly bytes: number;
}

/** Output that was read of one frame. */
export interface ReadOutput {
  readonly stream: ExecStreamOutput_Stream;
  readonly data: Parts;
}

/**
 * Output as an encoded `ExecStreamResponse`: field 2, with the stream as field 1 and the bytes as field 2. By hand, since the
 * generated code copies the bytes twice, and needs them in one piece. Here they are the parts after the first.
 */
export function encodedOutput({ type, pieces, bytes }: FrameOutput): Parts {
  const { STREAM_STDOUT, STREAM_STDERR } = ExecStreamOutput_Stream;
  const stream = type === 'stderr' ? STREAM_STDERR : STREAM_STDOUT;
  const inner = 3 + varintLength(bytes) + bytes;
  const head = new Uint8Array(1 + varintLength(inner) + inner - bytes);
  let at = putVarint(head, { at: 1, value: inner });
  head[0] = outputTag;
  head[at++] = streamTag;
  head[at++] = stream;
  head[at++] = dataTag;
  putVarint(head, { at, value: bytes });
  return [head, ...pieces];
}

/**
 * The output of an encoded `ExecStreamResponse`, or of an `AttachProcessResponse`, as hosts write it: the bytes are views.
 * `undefined` where it is something else, which is for the generated code to read.
 */
export function decodedOutput(message: Parts): ReadOutput | undefined {
  const outer = new FieldReader(message);
  const output = outer.varint() === outputTag ? outer.bytes() : undefined;
  if (output === undefined || !outer.isAtEnd) return undefined;
  const inner = new FieldReader(output);
  const stream = inner.varint() === streamTag ? outputStream(inner.varint()) : undefined;
  const data = inner.varint() === dataTag ? inner.bytes() : undefined;
  if (stream === undefined || data === undefined || !inner.isAtEnd) return undefined;
  return { stream, data };
}

/** The same of input: of an encoded `ExecStreamRequest`. */
export function decodedInput(message: Parts): Parts | undefined {
  const reader = new FieldReader(message);
  const data = reader.varint() === inputTag ? reader.bytes() : undefined;
  return reader.isAtEnd ? data : undefined;
}

function outputStream(value: number): ExecStreamOutput_Stream | undefined {
  const { STREAM_STDOUT, STREAM_STDERR } = ExecStreamOutput_Stream;
  if (value === STREAM_STDOUT) return STREAM_STDOUT;
  return value === STREAM_STDERR ? STREAM_STDERR : undefined;
}

/** Field numbers, each with its wire type: two have a length, one is a number. */
const outputTag = (2 << 3) | 2;
const inputTag = (2 << 3) | 2;
const streamTag = 1 << 3;
const dataTag = (2 << 3) | 2;

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  return length;
}

/** Returns where it ends. */
function putVarint(
  frame: Uint8Array,
  { at, value }: { readonly at: number; readonly value: number },
): number {
  let end = at;
  let rest = value;
  for (; rest > 127; rest >>>= 7) frame[end++] = (rest & 127) | 128;
  frame[end++] = rest;
  return end;
}

const startCodes: ReadonlyMap<string, ExecutionFailure> = new Map([
  ['COMMAND_NOT_FOUND', 'not_found'],
  ['COMMAND_NOT_EXECUTABLE', 'not_executable'],
  ['COMMAND_BAD_CWD', 'bad_cwd'],
  ['COMMAND_TOO_LARGE', 'too_large'],
  ['COMMAND_NOT_STARTED', 'not_started'],
]);

/**
 * How a failure is told in its stream, as clients of CoreWeave do with a command that could not be started: they raise
 * their execution error.
 */
export function errorFrame(error: unknown): ExecStreamError {
  const { message } = errorToStatus(error);
  if (!(error instanceof SandboxExecutionError)) return { code: '', message };
  const [code] = [...startCodes].find(([, known]) => known === error.reason) ?? [''];
  return { code, message };
}

/** What an error in a stream means; `failure` is what a host of ours has to say of it. */
export function errorOfFrame(
  { code, message }: ExecStreamError,
  details: SandboxErrorDetails & CallSubject,
  failure?: unknown,
): SandboxError {
  if (failure instanceof Uint8Array) return statusToError(readStatus(failure), details);
  const reason = startCodes.get(code);
  if (reason !== undefined) return new SandboxExecutionError(reason, message, details);
  const text = message === '' ? 'the run failed on the server' : message;
  return new SandboxError('ERR_REMOTE', code === '' ? text : `${text} (${code})`, details);
}
