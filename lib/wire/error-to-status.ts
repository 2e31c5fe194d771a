import {
  OutputLimitError,
  SandboxExecutionError,
  SandboxFileError,
  SandboxTimeoutError,
  UnsupportedError,
} from '../process/errors/errors.js';
import { SandboxError, type RemoteDetails } from '../process/errors/sandbox-error.js';
import { GrpcCode, type CallStatus } from './grpc-code.js';
import { errorDomain, statusOfCode, statusOfFile } from './reasons.js';
import { writeDetails } from './status-details.js';

/**
 * The status that a server answers with when something fails. What an error of ours knows goes along, so that
 * `statusToError` makes the same error of it; of any other, nothing but that it happened is told.
 */
export function errorToStatus(error: unknown): Required<CallStatus> {
  if (!(error instanceof SandboxError)) {
    const status = { code: GrpcCode.INTERNAL, message: 'internal error' };
    const details = writeDetails(status, { reason: 'SANDBOXRX_INTERNAL', domain: errorDomain });
    return { ...status, details };
  }
  const { message } = error;
  const remote: Partial<RemoteDetails> = error.remote ?? {};
  const [code, reason] =
    error instanceof SandboxFileError ? statusOfFile[error.reason] : statusOfCode[error.code];
  const status = { code: remote.grpcCode ?? code, message };
  const { retryDelayMs, violations } = remote;
  const details = writeDetails(status, {
    reason: remote.reason ?? reason,
    domain: remote.domain ?? errorDomain,
    metadata: { ...remote.metadata, ...knownOf(error) },
    ...(violations !== undefined && { violations }),
    ...(retryDelayMs !== undefined && { retryDelayMs }),
  });
  return { ...status, details };
}

/** What makes an error of its kind, as words; `filepath` is coreweave.sandbox.v1's own. */
function knownOf(error: SandboxError): Record<string, string> {
  const known: Record<string, string> = { sandboxrx_code: error.code };
  if (error.sandboxId !== undefined) known['sandbox_id'] = error.sandboxId;
  if (error.runId !== undefined) known['run_id'] = error.runId;
  if (error.retryable) known['retryable'] = 'true';
  if (error instanceof SandboxFileError) {
    known['filepath'] = error.path;
    known['sandboxrx_reason'] = error.reason;
  }
  if (error instanceof SandboxExecutionError) known['sandboxrx_reason'] = error.reason;
  if (error instanceof UnsupportedError) known['capability'] = error.capability;
  if (error instanceof SandboxTimeoutError) known['timeout_ms'] = String(error.timeoutMs);
  if (error instanceof OutputLimitError) known['limit'] = String(error.limit);
  return known;
}
