import type { Parts } from '../../process/bytes.js';
import { SandboxValidationError } from '../../process/errors/errors.js';
import { messageOf } from '../../process/errors/message-of.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { statusDetailsKey } from '../../wire/grpc-code.js';
import { statusToError, type CallSubject } from '../../wire/status-to-error.js';
import type { RpcMethod } from './rpc-method.js';
import type { RpcMetadata, RpcStream } from './rpc-transport.js';

/** What there is in place of a call that could not be made. */
export const neverOpened: RpcStream<unknown> = {
  send: () => undefined,
  halfClose: () => undefined,
  pause: () => undefined,
  cancel: () => undefined,
};

/** After `close()`, and where the token cannot be had; one that was refused is wrong for ever. */
export function notMade(cause: unknown, subject: CallSubject | undefined): SandboxError {
  if (cause instanceof SandboxValidationError) return cause;
  const why = messageOf(cause);
  const details = { ...subject, cause };
  return new SandboxError('ERR_BACKEND_UNAVAILABLE', `the call was not made: ${why}`, details);
}

/** The error of a call that the server ended with another status than OK. */
export function endedWith(
  { code, message, trailers }: EndOfCall,
  subject: CallSubject | undefined,
): SandboxError {
  const details = trailers[statusDetailsKey];
  const bytes = typeof details === 'string' ? undefined : details;
  return statusToError({ code, message, details: bytes }, subject);
}

interface EndOfCall {
  readonly code: number;
  readonly message: string;
  readonly trailers: RpcMetadata;
}

/** What a message of the server says; the error of a call where it is none. */
export function readMessages<Response>(
  method: Pick<RpcMethod<never, Response>, 'decode'>,
  bytes: Parts,
): readonly Response[] | SandboxError {
  try {
    return method.decode(bytes);
  } catch (cause) {
    return new SandboxError('ERR_REMOTE', 'the server sent what is no message', { cause });
  }
}
