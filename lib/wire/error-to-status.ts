import {
  OutputLimitError,
  SandboxExecutionError,
  SandboxFileError,
  SandboxNotFoundError,
  SandboxTimeoutError,
  TimeoutError,
  UnsupportedError,
} from '../process/errors/errors.js';
import {
  SandboxError,
  type FieldViolation,
  type RemoteDetails,
} from '../process/errors/sandbox-error.js';
import { GrpcCode, type CallStatus } from './grpc-code.js';
import { errorDomain, Reason, statusOfCode, statusOfFile } from './reasons.js';
import { writeDetails } from './status-details.js';

/**
 * The status that a server answers with when something fails. What an error of ours knows goes along, so that
 * `statusToError` makes the same error of it; of any other, nothing but that it happened is told.
 */
export function errorToStatus(error: unknown): CallStatus & { readonly details: Uint8Array } {
  if (!(error instanceof SandboxError)) {
    const status = { code: GrpcCode.INTERNAL, message: 'internal error' };
    const details = writeDetails(status, { reason: 'SANDBOXRX_INTERNAL', domain: errorDomain });
    return { ...status, details };
  }
  const remote: Partial<RemoteDetails> = error.remote ?? {};
  const [code, reason] = statusOf(error);
  // What came in a stream whose call succeeded has the code OK, which would say that all is well.
  const told = remote.grpcCode === GrpcCode.OK ? undefined : remote.grpcCode;
  const status = { code: told ?? code, message: messageOf(error) };
  const { retryDelayMs, violations } = remote;
  const details = writeDetails(status, {
    reason: remote.reason ?? reason,
    domain: remote.domain ?? errorDomain,
    metadata: shortened({ ...remote.metadata, ...knownOf(error) }),
    ...(violations !== undefined && { violations: shown(violations) }),
    ...(retryDelayMs !== undefined && { retryDelayMs }),
  });
  return { ...status, details };
}

function statusOf(error: SandboxError): readonly [code: number, reason: string] {
  if (error instanceof SandboxFileError) return statusOfFile[error.reason];
  const [code, reason] = statusOfCode[error.code];
  // By these CoreWeave's clients know that it is a snapshot which is not there, and a server that takes none.
  if (error instanceof SandboxNotFoundError && error.snapshotId !== undefined) {
    return [code, Reason.snapshotNotFound];
  }
  const isSnapshots = error instanceof UnsupportedError && error.capability === 'snapshots';
  return [code, isSnapshots ? Reason.snapshotsNotSupported : reason];
}

/**
 * A status travels in headers, twice, and clients refuse headers of more than some KiB: the call would then fail with
 * an error of theirs.
 */
const most = { messageLength: 1024, wordLength: 256, words: 32, violations: 16 } as const;

function messageOf(error: SandboxError): string {
  if (!(error instanceof SandboxFileError)) return cut(error.message, most.messageLength);
  // The class puts the path first, which may be all that there is room for.
  const said = error.message.slice(error.path.length);
  return `${cut(error.path, most.wordLength)}${cut(said, most.messageLength)}`;
}

function shortened(words: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(words).slice(-most.words);
  return Object.fromEntries(entries.map(([name, word]) => [name, cut(word, most.wordLength)]));
}

function shown(violations: readonly FieldViolation[]): FieldViolation[] {
  return violations.slice(0, most.violations).map(({ field, description }) => ({
    field: cut(field, most.wordLength),
    description: cut(description, most.wordLength),
  }));
}

/** Without halves of characters: a header cannot be made of those. */
function cut(text: string, length: number): string {
  const head = text.length > length ? `${text.slice(0, length)}…` : text;
  return head.replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** What makes an error of its kind, as words; `filepath` is coreweave.sandbox.v1's own. */
function knownOf(error: SandboxError): Record<string, string> {
  const known: Record<string, string> = { sandboxrx_code: error.code };
  const { sandboxId, runId, snapshotId } = error;
  const ids = { sandbox_id: sandboxId, run_id: runId, snapshot_id: snapshotId };
  for (const [name, id] of Object.entries(ids)) if (id !== undefined) known[name] = id;
  if (error.retryable) known['retryable'] = 'true';
  if (error instanceof SandboxFileError) {
    known['filepath'] = error.path;
    known['sandboxrx_reason'] = error.reason;
  }
  if (error instanceof SandboxExecutionError) known['sandboxrx_reason'] = error.reason;
  if (error instanceof UnsupportedError) known['capability'] = error.capability;
  if (error instanceof SandboxTimeoutError || error instanceof TimeoutError)
    known['timeout_ms'] = String(error.timeoutMs);
  if (error instanceof OutputLimitError) known['limit'] = String(error.limit);
  return known;
}
