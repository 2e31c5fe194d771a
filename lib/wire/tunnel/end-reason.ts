/** Why a session has come to its end, or one of its connections. */
export type EndReason =
  /** It was closed by one of its ends. */
  | 'closed'
  /** The server begins no more calls, and the last of those that were open is over. */
  | 'drained'
  /** The connection was lost, and did not come back in time. */
  | 'expired'
  /** The server was started again, and knows nothing of what was before. */
  | 'restarted'
  /** The other end sent what is no packet, or not at this time. */
  | 'malformed'
  /** The other end left out a packet or sent one again. */
  | 'sequence'
  /** The other end acknowledged what was not sent to it. */
  | 'acknowledgement'
  /** The other end sent more on a stream than it had credit for. */
  | 'flow-control'
  /** The other end used a stream in a way that its state does not allow. */
  | 'stream'
  /** The other end went beyond a limit that it was told. */
  | 'limit'
  /** The other end speaks another version. */
  | 'version'
  /** The session belongs to somebody else. */
  | 'forbidden'
  /** The server has as many sessions as it takes. */
  | 'overloaded'
  /** The first packet did not come in time. Ends a connection only. */
  | 'handshake-timeout'
  /** Nothing came for too long. Ends a connection only. */
  | 'silent'
  /** The session goes on over another connection. Ends a connection only. */
  | 'superseded'
  /** This end failed. */
  | 'internal';

const closeCodes: Readonly<Record<EndReason, number>> = {
  ...{ closed: 1000, drained: 1001, expired: 4000, restarted: 4001 },
  ...{ malformed: 4002, sequence: 4003, acknowledgement: 4004, 'flow-control': 4005 },
  ...{ stream: 4006, limit: 4007, version: 4008, forbidden: 4009, overloaded: 4010 },
  ...{ 'handshake-timeout': 4011, silent: 4012, superseded: 4013, internal: 4014 },
};

/** The close code of a WebSocket that says so. */
export function closeCodeOf(reason: EndReason): number {
  return closeCodes[reason];
}

/** A reason that the other end gave; one that is not known is as good as none. */
export function endReasonOf(word: string): EndReason {
  return isEndReason(word) ? word : 'closed';
}

function isEndReason(word: string): word is EndReason {
  return Object.hasOwn(closeCodes, word);
}

const connectionOnly: ReadonlySet<EndReason> = new Set<EndReason>([
  ...(['silent', 'superseded', 'handshake-timeout'] as const),
]);

/** Whether it ends the session, which could otherwise go on over another connection. */
export function endsSession(reason: EndReason): boolean {
  return !connectionOnly.has(reason);
}

/** What the other end did and must not. Whoever feeds packets catches it and ends the session. */
export class TunnelViolation extends Error {
  readonly reason: EndReason;

  constructor(reason: EndReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
