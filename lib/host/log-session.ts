import type {
  LogStreamError,
  StreamLogsRequest,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { fromTimestamp, isTimestamp } from '../wire/timestamp.js';
import { badField } from './bad-field.js';
import type { MainLog } from './main-log.js';
import type { SandboxRecord } from './sandbox-record.js';

/** How the text of a session is told: it is fixed when the session begins, so that offsets mean the same later. */
export interface LogSession {
  readonly id: string;
  readonly timestamps: boolean;
  /** Where in the log the session begins. */
  readonly start: number;
  /** The caller counts from the log's own begin, so that an offset can jump over what is not kept any more. */
  readonly isWhole: boolean;
  /** The offset of what begins there: that position, or 0. */
  readonly origin: bigint;
  /** The offset from which to tell it. */
  readonly from: bigint;
}

/** @throws SandboxValidationError for a bad field */
export function checkLogsRequest({
  follow,
  resumeLogSessionId,
  ...request
}: StreamLogsRequest): void {
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

const timestampsMark = 't';

/** A session's id holds all that is needed to take it up again, so that a host has none to keep. */
export function sessionOf(
  record: SandboxRecord,
  request: StreamLogsRequest,
  isWhole: boolean,
): LogSession | undefined {
  const { resumeLogSessionId: id, resumeLogOffset, timestamps } = request;
  const originOf = (start: number): bigint => (isWhole ? BigInt(start) : 0n);
  if (id === '') {
    const start = startOf(record.log, request);
    const origin = originOf(start);
    const newId = `${record.logSession}.${timestamps ? timestampsMark : ''}.${start}`;
    return { id: newId, timestamps, start, isWhole, origin, from: origin };
  }
  const [session, mark, text] = id.split('.');
  if (session !== record.logSession || text === undefined || !/^\d+$/.test(text)) return undefined;
  const start = Number(text);
  const [isStamped, origin] = [mark === timestampsMark, originOf(start)];
  return { id, timestamps: isStamped, start, isWhole, origin, from: resumeLogOffset };
}

function startOf(log: MainLog, { tailLines, sinceTime }: StreamLogsRequest): number {
  return Math.max(
    log.start,
    tailLines > 0 ? log.startOfLast(tailLines) : 0,
    sinceTime === undefined ? 0 : log.startOfSince(fromTimestamp(sinceTime)),
  );
}

/** Why a session cannot be told from its offset on, if it cannot. */
export function resumeFailure(
  log: MainLog,
  { start, isWhole, origin, from, timestamps }: LogSession,
): LogStreamError | undefined {
  if (from < origin) return beforeTheBegin;
  const position = start + (timestamps ? 0 : Number(from - origin));
  // What was told with timestamps has to be made again.
  if (position < log.start && (timestamps || !isWhole)) {
    return { code: 'REPLAY_GAP', message: 'what follows the offset is no longer kept' };
  }
  return position > log.end ? beyondTheEnd : undefined;
}

export const sessionNotFound: LogStreamError = {
  code: 'SESSION_NOT_FOUND',
  message: 'there is no such session of logs; begin a new one',
};

const beforeTheBegin: LogStreamError = {
  code: 'INVALID_RESUME_OFFSET',
  message: 'the offset is before the begin',
};

export const beyondTheEnd: LogStreamError = {
  code: 'INVALID_RESUME_OFFSET',
  message: 'the offset is beyond the end',
};
