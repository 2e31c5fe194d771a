import { Observable, retry, throwError, timer } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { OutputEvent } from '../../process/process-event.js';
import type { LogsRequest } from '../../sandbox/backend.js';
import {
  StreamLogsRequest,
  type LogEntry,
  type LogStreamError,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { Extension } from '../../wire/extension.js';
import { unavailableReasons } from '../../wire/reasons.js';
import { toTimestamp } from '../../wire/timestamp.js';
import { streamLogs } from './methods.js';
import type { RpcMetadata, RpcTransport } from './rpc-transport.js';
import { streamed } from './streamed.js';
import { GrpcCode } from '../../wire/grpc-code.js';

/** So often a stream that broke is taken up again, counted anew after each piece that comes. */
const attempts = 3;
const firstDelayMs = 500;
const longestDelayMs = 4000;

/** Where a stream of logs is, and what has been told of it. */
interface Cursor {
  sessionId: string;
  /** Of the session, where it is to be taken up. */
  sessionOffset: bigint;
  /** After what has been told, in the log. */
  offset: number;
}

/**
 * The output of a sandbox's main command. A stream that is followed and breaks is taken up where it broke. The server
 * does not say which of the two outputs a piece comes from: all is told as `stdout`.
 */
export function streamedLogs(
  transport: RpcTransport,
  request: LogsRequest,
): Observable<OutputEvent> {
  return new Observable<OutputEvent>((subscriber) => {
    const cursor: Cursor = { sessionId: '', sessionOffset: 0n, offset: 0 };
    return opened(transport, request, cursor)
      .pipe(
        retry({
          count: attempts,
          resetOnSuccess: true,
          delay: (error: unknown, count) =>
            request.follow && canGoOn(error, cursor)
              ? timer(Math.min(firstDelayMs * 2 ** (count - 1), longestDelayMs))
              : throwError(() => error),
        }),
      )
      .subscribe(subscriber);
  });
}

function opened(
  transport: RpcTransport,
  wanted: LogsRequest,
  cursor: Cursor,
): Observable<OutputEvent> {
  const { sandboxId, follow, paused$ } = wanted;
  return new Observable((subscriber) => {
    let isOurs = false;
    const tell = ({ data, logSessionId, nextLogOffset }: LogEntry): void => {
      cursor.sessionId = logSessionId;
      cursor.sessionOffset = nextLogOffset;
      // Other servers do not say where in the log a session begins.
      const offset = isOurs ? Number(nextLogOffset) - data.length : cursor.offset;
      cursor.offset = offset + data.length;
      subscriber.next({ type: 'stdout', data, offset });
    };
    const request = StreamLogsRequest.fromPartial({
      ...{ sandboxId, follow },
      // A session that is taken up again is told as it was begun.
      ...(cursor.sessionId === '' ? partOf(wanted) : resumeOf(cursor)),
    });
    const options = { subject: { sandboxId }, metadata: { [Extension.wholeLog]: '' } };
    const opening = (metadata: RpcMetadata): void => {
      isOurs = Extension.mark in metadata;
    };
    const call = { method: streamLogs, request, options, opened: opening, paused$ };
    return streamed(transport, call).subscribe({
      next: (entry) => {
        if (entry.error === undefined) tell(entry);
        else subscriber.error(errorOf(entry.error, sandboxId));
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
      complete: () => {
        subscriber.complete();
      },
    });
  });
}

function partOf({
  tailLines = 0,
  sinceMs,
  timestamps = false,
}: LogsRequest): Partial<StreamLogsRequest> {
  return {
    tailLines,
    timestamps,
    ...(sinceMs !== undefined && { sinceTime: toTimestamp(sinceMs) }),
  };
}

function resumeOf({ sessionId, sessionOffset }: Cursor): Partial<StreamLogsRequest> {
  return { resumeLogSessionId: sessionId, resumeLogOffset: sessionOffset };
}

/** Errors in a stream after which the same session can be taken up. */
const interrupted = 'STREAM_INTERRUPTED';
/** UNKNOWN, INTERNAL and UNAVAILABLE. */
const brokenCodes: ReadonlySet<number> = new Set([
  GrpcCode.UNKNOWN,
  GrpcCode.INTERNAL,
  GrpcCode.UNAVAILABLE,
]);

/** Errors in a stream that mean that its session is not to be had any more. */
const sessionGone: ReadonlySet<string> = new Set([
  'SESSION_NOT_FOUND',
  'REPLAY_GAP',
  'RUNNER_UNAVAILABLE',
  'RUNNER_DRAINING',
]);

function canGoOn(error: unknown, cursor: Cursor): boolean {
  if (!(error instanceof SandboxError)) return false;
  const isGone = sessionGone.has(error.remote?.reason ?? '');
  if (isGone) cursor.sessionId = '';
  // Without a session, what has been told would be told again, or something left out.
  if (cursor.sessionId === '' && cursor.offset > 0) return false;
  return isGone || isBroken(error);
}

function isBroken({ remote: { reason, grpcCode = 0 } = { grpcCode: 0 } }: SandboxError): boolean {
  if (reason === interrupted) return true;
  return brokenCodes.has(grpcCode) && (reason === undefined || unavailableReasons.has(reason));
}

function errorOf({ code, message }: LogStreamError, sandboxId: string): SandboxError {
  const text = message === '' ? 'the logs ended with an error' : message;
  return new SandboxError('ERR_REMOTE', code === '' ? text : `${text} (${code})`, {
    sandboxId,
    remote: { grpcCode: 0, reason: code },
  });
}
