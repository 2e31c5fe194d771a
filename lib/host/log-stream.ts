import { Subscription } from 'rxjs';
import { Extension } from '../wire/extension.js';
import {
  LogEntry,
  type LogStreamError,
  type StreamLogsRequest,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { toTimestamp } from '../wire/timestamp.js';
import type { HostStream } from './call.js';
import {
  beyondTheEnd,
  checkLogsRequest,
  resumeFailure,
  sessionNotFound,
  sessionOf,
  type LogSession,
} from './log-session.js';
import type { MainLog } from './main-log.js';
import type { SandboxRecord } from './sandbox-record.js';
import type { Sandboxes } from './sandboxes.js';
import { TimestampedLines } from './timestamped-lines.js';

type Stream = HostStream<never, LogEntry>;

/** Tells the output of a main command: what there is and, where it is followed, what comes. */
export function streamLogs(sandboxes: Sandboxes, request: StreamLogsRequest, stream: Stream): void {
  try {
    checkLogsRequest(request);
    const { record } = sandboxes.get(request.sandboxId);
    record.assertContainer(request.container);
    const isWhole = stream.metadata[Extension.wholeLog] !== undefined;
    const session = sessionOf(record, request, isWhole);
    const failure = session === undefined ? sessionNotFound : resumeFailure(record.log, session);
    if (failure !== undefined || session === undefined) fail(stream, failure ?? sessionNotFound);
    else new LogTeller(record, { session, request, stream }).tell();
  } catch (error) {
    stream.fail(error);
  }
}

function fail(stream: Stream, error: LogStreamError): void {
  stream.send(LogEntry.fromPartial({ error }));
  stream.end();
}

/** So much is told in one entry. */
const entryBytes = 65_536;

class LogTeller {
  readonly #log: MainLog;
  readonly #session: LogSession;
  readonly #stream: Stream;
  readonly #follow: boolean;
  readonly #lines: TimestampedLines | undefined;
  readonly #following = new Subscription();
  /** In the log. */
  #position: number;
  /** The offset after what was told. */
  #told: bigint;
  /** Text of the session that a resumed stream has had already. */
  #skip: bigint;
  #isBehind = false;
  #over = false;

  constructor(
    { log }: SandboxRecord,
    {
      session,
      request: { follow },
      stream,
    }: {
      readonly session: LogSession;
      readonly request: StreamLogsRequest;
      readonly stream: Stream;
    },
  ) {
    this.#log = log;
    this.#session = session;
    this.#stream = stream;
    this.#follow = follow;
    if (session.timestamps) this.#lines = new TimestampedLines();
    const { start, origin, from, timestamps } = session;
    // With timestamps, an offset does not tell a position in the log: what was told before is made again and left out.
    this.#skip = timestamps ? from - origin : 0n;
    this.#told = timestamps ? origin : from;
    this.#position = start + Number(this.#told - origin);
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
    while (!this.#isBehind && this.#keepsUp()) {
      const piece = this.#log.at(this.#position);
      if (piece === undefined) break;
      const data = piece.data.subarray(0, entryBytes);
      this.#position += data.length;
      this.#send(this.#lines?.stamped(data, piece.timeMs) ?? data, piece.timeMs);
    }
    if (!this.#isBehind && !this.#over && this.#position >= this.#log.end) this.#allTold();
  }

  /** Whether it goes on: what is not kept any more is jumped over, as the next offset says, or ends it. */
  #keepsUp(): boolean {
    const missing = this.#log.start - this.#position;
    if (this.#over || missing <= 0) return !this.#over;
    if (this.#session.isWhole) {
      this.#position += missing;
      this.#told += BigInt(missing);
    } else {
      this.#end({ code: 'STREAM_TRUNCATED', message: 'the reader was too slow' });
    }
    return !this.#over;
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
