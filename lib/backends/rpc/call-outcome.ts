import { ConnectionLostError } from '../../process/errors/errors.js';
import type {
  SandboxError,
  SandboxErrorCode,
  SandboxErrorDetails,
} from '../../process/errors/sandbox-error.js';
import type { ExitEvent } from '../../process/process-event.js';
import { RunEnd } from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { GrpcCode } from '../../wire/grpc-code.js';

/** CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS: how calls end that break. */
const brokenCodes: ReadonlySet<number> = new Set([
  GrpcCode.CANCELLED,
  GrpcCode.UNKNOWN,
  GrpcCode.DEADLINE_EXCEEDED,
  GrpcCode.INTERNAL,
  GrpcCode.UNAVAILABLE,
  GrpcCode.DATA_LOSS,
]);

/** What such a call fails with where no reason says more: nothing of the run. */
const uncertainCodes: ReadonlySet<SandboxErrorCode> = new Set([
  'ERR_BACKEND_UNAVAILABLE',
  'ERR_CANCELLED',
  'ERR_REMOTE',
  'ERR_REQUEST_TIMEOUT',
]);

/**
 * Whether a run may be going on, or have ended well, although its call failed like this. `isOurs`: whether the server is a
 * host of ours; undefined before it has answered.
 */
export function isUncertain({ code, remote }: SandboxError, isOurs: boolean | undefined): boolean {
  if (!uncertainCodes.has(code) || !brokenCodes.has(remote?.grpcCode ?? 0)) return false;
  // A server that names a reason before it has begun refuses the call; and a host of ours knows what it says.
  return remote?.reason === undefined || isOurs === false;
}

/** The error of a call that is lost: nobody here knows what became of it. */
export function lostBy(
  cause: SandboxError,
  what: string,
  ids: Pick<SandboxErrorDetails, 'sandboxId' | 'runId'> = {},
): ConnectionLostError {
  const text = `the connection was lost, and the outcome of ${what} is not known: ${cause.message}`;
  return new ConnectionLostError(text, { cause, ...ids });
}

/** What a host of ours tells of an exit beside its status. */
export function endDetailsOf(value: string | Uint8Array | undefined): Partial<ExitEvent> {
  return value instanceof Uint8Array ? exitDetailsOf(RunEnd.decode(value)) : {};
}

/** The same, once it is decoded. */
export function exitDetailsOf({ signal, oom, outputHeld }: RunEnd): Partial<ExitEvent> {
  return {
    ...(signal !== '' && { signal }),
    ...(oom && { oom }),
    ...(outputHeld && { outputHeld }),
  };
}
