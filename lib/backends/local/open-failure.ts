import { SandboxError } from '../../process/errors/sandbox-error.js';
import { isShortage, isSystemError } from './errno.js';

/** The error of a sandbox that this machine could not start, in place of the system's own. */
export function openFailure(cause: unknown): unknown {
  if (cause instanceof SandboxError || !isSystemError(cause)) return cause;
  const retryable = isShortage(cause);
  return new SandboxError(
    retryable ? 'ERR_RESOURCE_EXHAUSTED' : 'ERR_BACKEND_UNAVAILABLE',
    `the local backend could not start a sandbox: ${cause.message}` +
      (retryable ? '; try again when this program or this machine has less to do' : ''),
    { cause, retryable },
  );
}
