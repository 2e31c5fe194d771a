import { UnsupportedError } from '../../../process/errors/errors.js';
import type { Capabilities } from '../../../sandbox/backend.js';

/** A server without the call lacks the capability that it is for; all else is told as it is. */
export function lacking(capability: keyof Capabilities, error: unknown): unknown {
  if (!(error instanceof UnsupportedError) || error.capability !== 'remote') return error;
  const { sandboxId, runId, remote } = error;
  return new UnsupportedError(capability, `the server has no call for that: ${error.message}`, {
    cause: error,
    ...(sandboxId !== undefined && { sandboxId }),
    ...(runId !== undefined && { runId }),
    ...(remote !== undefined && { remote }),
  });
}
