import { GrpcCode, type CallStatus } from '../../../wire/grpc-code.js';
import type { EndReason } from '../../../wire/tunnel/end-reason.js';

/** What is said of a call that there was no connection for. */
export function unavailable(message: string): CallStatus {
  return { code: GrpcCode.UNAVAILABLE, message };
}

/** The word of a server that took a connection and then refused it, or went away. */
export function statusOfEnd(reason: EndReason | undefined, message: string): CallStatus {
  const code = reason === undefined ? undefined : codes[reason];
  return { code: code ?? GrpcCode.UNAVAILABLE, message };
}

const codes: Partial<Record<EndReason, number>> = {
  version: GrpcCode.FAILED_PRECONDITION,
  overloaded: GrpcCode.RESOURCE_EXHAUSTED,
};

/** The answer to a request for a WebSocket, where there is one. */
export function statusOfAnswer(httpStatus: number, said: string): CallStatus {
  const text = said.trim();
  const message = `the server answered ${httpStatus}${text === '' ? '' : `: ${text}`}`;
  return { code: answers[httpStatus] ?? GrpcCode.UNAVAILABLE, message };
}

const answers: Readonly<Record<number, number>> = {
  401: GrpcCode.UNAUTHENTICATED,
  403: GrpcCode.PERMISSION_DENIED,
  429: GrpcCode.RESOURCE_EXHAUSTED,
};

/** Whether the server will say the same when it is asked again. */
export function isForGood({ code }: CallStatus): boolean {
  return code !== GrpcCode.UNAVAILABLE && code !== GrpcCode.RESOURCE_EXHAUSTED;
}

/** Why calls are lost that were sent. */
export function textOf(reason: EndReason): string {
  return texts[reason] ?? `the tunnel has failed (${reason})`;
}

const texts: Partial<Record<EndReason, string>> = {
  closed: 'the connection was closed',
  drained: 'the server is going down',
  expired: 'the connection did not come back in time',
  restarted: 'the server was started again',
};
