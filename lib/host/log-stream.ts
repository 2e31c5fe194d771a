import { Subscription } from 'rxjs';
import {
  LogEntry,
  type LogStreamError,
  type StreamLogsRequest,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { fromTimestamp, isTimestamp, toTimestamp } from '../wire/timestamp.js';
import { badField } from './bad-field.js';
import type { HostStream } from './call.js';
import type { MainLog } from './main-log.js';
import type { SandboxRecord } from './sandbox-record.js';
import type { Sandboxes } from './sandboxes.js';
import { TimestampedLines } from './timestamped-lines.js';

type Stream = HostStream<never, LogEntry>;

/** How the text of a session is told: it is fixed when the session begins, so that offsets mean the same later. */
interface Session {
  readonly id: string;
  readonly timestamps: boolean;
  /** Where in the log the session begins. */
  readonly start: number;
}

const timestampsMark = 't';

/** Tells the output of a main command: what there is and, where it is followed, what comes. */
export function streamLogs(sandboxes: Sandboxes, request: StreamLogsRequest, stream: Stream): void {
  try {
    check(request);
    const { record } = sandboxes.get(request.sandboxId);
    record.assertContainer(request.container);
    const session = sessionOf(record, request);
    const failure = session === undefined ? notFound : resumeFailure(record.log, session, request);
    if (failure !== undefined || session === undefined) fail(stream, failure ?? notFound);
    else new LogTeller(record, { session, request, stream }).tell();
  } catch (error) {
    stream.fail(error);
  }
}

function check({ follow, resumeLogSessionId, ...request }: StreamLogsRequest): void {
  const { tailLines, sinceTime, timestamps } = request;
  if (tailLines < 0) throw badField('tail_lines', 'it must not be negative');
  if (sinceTime !== undefined && !isTimestamp(sinceTime))
    throw badField('since_time', 'it is none');
  if (resumeLogSessionId === '') return;
  if (!follow) throw badField('resume_log_session_id', 'it needs follow');
  if (tailLines !== 0 || sinceTime !== undefined || timestamps) {
    const text = 'it goes without tail_lines, since_time and timestamps';
    throw badField('resume_log_session_id', text);
  }
}

/** A session's id holds all that is needed to take it up again, so that a host has none to keep. */
function sessionOf(record: SandboxRecord, request: StreamLogsRequest): Session | undefined {
  const { resumeLogSessionId, tailLines, sinceTime, timestamps } = request;
  if (resumeLogSessionId !== '') {
    const [session, mark, start] = resumeLogSessionId.split('.');
    if (session !== record.logSession || start === undefined || !/^\d+$/.test(start))
      return undefined;
    return { id: resumeLogSessionId, timestamps: mark === timestampsMark, start: Number(start) };
  }
  const { log } = record;
  const start = Math.max(
    log.start,
    tailLines > 0 ? log.startOfLast(tailLines) : 0,
    sinceTime === undefined ? 0 : log.startOfSince(fromTimestamp(sinceTime)),
  );
  const id = `${record.logSession}.${timestamps ? timestampsMark : ''}.${start}`;
  return { id, timestamps, start };
}

const notFound: LogStreamError = {
  code: 'SESSION_NOT_FOUND',
  message: 'there is no such session of logs; begin a new one',
};

function resumeFailure(
  log: MainLog,
  { start, timestamps }: Session,
  { resumeLogSessionId, resumeLogOffset }: StreamLogsRequest,
): LogStreamError | undefined {
  if (resumeLogSessionId === '') return undefined;
  const from = start + (timestamps ? 0 : Number(resumeLogOffset));
  if (from < log.start) {
    return { code: 'REPLAY_GAP', message: 'what follows the offset is no longer kept' };
  }
  return from > log.end ? beyondTheEnd : undefined;
}

const beyondTheEnd: LogStreamError = {
  code: 'INVALID_RESUME_OFFSET',
  message: 'the offset is beyond the end',
};

function fail(stream: Stream, error: LogStreamError): void {
  stream.send(LogEntry.fromPartial({ error }));
  stream.end();
}

/** So much is told in one entry. */
const entryBytes = 65_536;

class LogTeller {
  readonly #log: MainLog;
  readonly #session: Session;
  readonly #stream: Stream;
  readonly #follow: boolean;
  readonly #lines: TimestampedLines | undefined;
  readonly #following = new Subscription();
  /** In the log. */
  #position: number;
  /** In the session. */
  #told = 0n;
  /** Text of the session that a resumed stream has had already. */
  #skip: bigint;
  #isBehind = false;
  #over = false;

  constructor(
    { log }: SandboxRecord,
    {
      session,
      request: { follow, resumeLogOffset },
      stream,
    }: {
      readonly session: Session;
      readonly request: StreamLogsRequest;
      readonly stream: Stream;
    },
  ) {
    this.#log = log;
    this.#session = session;
    this.#stream = stream;
    this.#follow = follow;
    if (session.timestamps) this.#lines = new TimestampedLines();
    // With timestamps, an offset does not tell a position in the log: what was told before is made again and left out.
    this.#skip = session.timestamps ? resumeLogOffset : 0n;
    this.#told = session.timestamps ? 0n : resumeLogOffset;
    this.#position = session.start + Number(this.#told);
    stream.listen({
      message: () => undefined,
      halfClosed: () => undefined,
      cancelled: () => {
        this.#stop();
      },
    });
  }

  tell(): void {
    if (this.#follow) {
      this.#following.add(
        this.#log.changed$.subscribe({
          next: () => {
            this.#pump();
          },
          error: () => {
            this.#stop();
          },
        }),
      );
    }
    this.#pump();
  }

  /** Tells what there is, as fast as the caller takes it. */
  #pump(): void {
    while (!this.#isBehind && !this.#over) {
      if (this.#position < this.#log.start) {
        this.#end({ code: 'STREAM_TRUNCATED', message: 'the reader was too slow' });
        return;
      }
      const piece = this.#log.at(this.#position);
      if (piece === undefined) break;
      const data = piece.data.subarray(0, entryBytes);
      this.#position += data.length;
      this.#send(this.#lines?.stamped(data, piece.timeMs) ?? data, piece.timeMs);
    }
    if (!this.#isBehind && !this.#over && this.#position >= this.#log.end) this.#allTold();
  }

  #allTold(): void {
    // All that there was has been made again, and it is less than was told before.
    if (this.#skip > 0n) this.#end(beyondTheEnd);
    else if (this.#log.isComplete || !this.#follow) {
      this.#stop();
      this.#stream.end();
    }
  }

  #send(text: Uint8Array, timeMs: number): void {
    const skipped = this.#skip < BigInt(text.length) ? Number(this.#skip) : text.length;
    this.#skip -= BigInt(skipped);
    this.#told += BigInt(text.length);
    const data = text.subarray(skipped);
    if (data.length === 0) return;
    const entry = LogEntry.fromPartial({
      logSessionId: this.#session.id,
      nextLogOffset: this.#told,
    });
    // Not by fromPartial, which would copy the bytes.
    entry.data = data;
    entry.timestamp = toTimestamp(timeMs);
    if (this.#stream.send(entry)) return;
    this.#isBehind = true;
    this.#stream.whenDrained(() => {
      this.#isBehind = false;
      this.#pump();
    });
  }

  #end(error: LogStreamError): void {
    fail(this.#stream, error);
    this.#stop();
  }

  #stop(): void {
    this.#over = true;
    this.#following.unsubscribe();
  }
}
