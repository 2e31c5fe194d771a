import {
  CancelledError,
  ConnectionLostError,
  OutputLimitError,
  SandboxExecutionError,
  SandboxFileError,
  SandboxNotFoundError,
  SandboxTimeoutError,
  SandboxValidationError,
  TimeoutError,
  UnsupportedError,
  type ExecutionFailure,
  type FileFailure,
} from '../process/errors/errors.js';
import {
  SandboxError,
  type RemoteDetails,
  type SandboxErrorCode,
  type SandboxErrorDetails,
} from '../process/errors/sandbox-error.js';
import { GrpcCode, type CallStatus } from './grpc-code.js';
import {
  errorDomain,
  fileFailures,
  Reason,
  snapshotReasons,
  statusOfCode,
  statusOfFile,
  unavailableReasons,
} from './reasons.js';
import { readDetails } from './status-details.js';

/** What a call was about. */
export interface CallSubject {
  readonly sandboxId?: string;
  readonly runId?: string;
  readonly snapshotId?: string;
  /** Those that a new sandbox shall begin with. */
  readonly snapshotIds?: readonly string[];
  /** The file, where the call was about one. */
  readonly path?: string;
}

/**
 * The error of a call that failed. A reason in the trusted domain says what it is; where there is none that is known,
 * the status code does. Everything that the server said stays readable in `remote`.
 */
export function statusToError(
  status: CallStatus,
  subject: CallSubject = {},
  cause?: unknown,
): SandboxError {
  const remote = readDetails(status);
  const said: Said = {
    status,
    subject,
    remote,
    details: {
      cause,
      remote,
      ...idsOf(subject, remote),
      retryable: isRetryable(status, remote),
    },
  };
  return ownError(said) ?? errorOfReason(said) ?? errorOfCode(said);
}

interface Said {
  readonly status: CallStatus;
  readonly subject: CallSubject;
  readonly remote: RemoteDetails;
  readonly details: SandboxErrorDetails;
}

function idsOf(
  subject: CallSubject,
  remote: RemoteDetails,
): Pick<SandboxErrorDetails, 'sandboxId' | 'runId' | 'snapshotId'> {
  const { metadata = {} } = remote;
  const sandboxId = subject.sandboxId ?? metadata['sandbox_id'];
  const runId = subject.runId ?? metadata['run_id'];
  const snapshotId = subject.snapshotId ?? onlySnapshot(subject, remote) ?? metadata['snapshot_id'];
  return {
    ...(sandboxId !== undefined && { sandboxId }),
    ...(runId !== undefined && { runId }),
    ...(snapshotId !== undefined && { snapshotId }),
  };
}

/** What a server says of a snapshot is about the only one that was named. */
function onlySnapshot(
  { snapshotIds = [] }: CallSubject,
  { reason = '' }: RemoteDetails,
): string | undefined {
  const [only, ...more] = snapshotIds;
  return more.length === 0 && reason.startsWith(snapshotReasons) ? only : undefined;
}

const retryableCodes: ReadonlySet<number> = new Set([
  GrpcCode.UNAVAILABLE,
  GrpcCode.DEADLINE_EXCEEDED,
  GrpcCode.RESOURCE_EXHAUSTED,
]);

function isRetryable({ code }: CallStatus, remote: RemoteDetails): boolean {
  if (remote.domain === errorDomain && remote.reason !== undefined) {
    if (unavailableReasons.has(remote.reason)) return true;
    if (remote.metadata?.['sandboxrx_code'] !== undefined)
      return remote.metadata['retryable'] === 'true';
    // What such a reason says does not change when it is asked again, whatever the code.
    if (fileFailures.has(remote.reason) || errorsOfReasons.has(remote.reason)) return false;
  }
  return retryableCodes.has(code);
}

/** The error that another sandbox-rx raised. */
function ownError(said: Said): SandboxError | undefined {
  const { status, remote, details } = said;
  const code = remote.metadata?.['sandboxrx_code'];
  if (remote.domain !== errorDomain || !isErrorCode(code)) return undefined;
  return ownErrors[code]?.(said) ?? new SandboxError(code, status.message, details);
}

/** How the errors are made that have a class of their own. */
const ownErrors: Readonly<Partial<Record<SandboxErrorCode, (said: Said) => SandboxError>>> = {
  ERR_CANCELLED: ({ status, details }) => new CancelledError(status.message, details),
  ERR_CONNECTION_LOST: ({ status, details }) => new ConnectionLostError(status.message, details),
  ERR_EXIT_STATUS: executionError,
  ERR_FILE: (said) => {
    const reason = wordOf(said, 'sandboxrx_reason');
    return fileError(said, isFileFailure(reason) ? reason : 'failed');
  },
  ERR_NOT_FOUND: ({ status, details }) => new SandboxNotFoundError(status.message, details),
  ERR_NOT_STARTED: executionError,
  ERR_OUTPUT_LIMIT: (said) =>
    new OutputLimitError(said.status.message, Number(wordOf(said, 'limit')), said.details),
  ERR_PROCESS_OVER: executionError,
  ERR_RUN_TIMEOUT: timeoutError,
  ERR_STDIN_CLOSED: executionError,
  ERR_UNSUPPORTED: (said) =>
    new UnsupportedError(wordOf(said, 'capability'), said.status.message, said.details),
  ERR_VALIDATION: ({ status, details }) => new SandboxValidationError(status.message, details),
  ERR_WAIT_TIMEOUT: (said) => new TimeoutError(Number(wordOf(said, 'timeout_ms')), said.details),
};

function executionError(said: Said): SandboxExecutionError {
  const reason = wordOf(said, 'sandboxrx_reason');
  const known = isExecutionFailure(reason) ? reason : 'not_started';
  return new SandboxExecutionError(known, said.status.message, said.details);
}

/** In the server's words: how long the run had, it may not have said. */
function timeoutError(said: Said): SandboxError {
  const error = new SandboxTimeoutError(Number(wordOf(said, 'timeout_ms')), said.details);
  return Object.assign(error, { message: said.status.message });
}

function wordOf({ remote }: Said, name: string): string {
  return remote.metadata?.[name] ?? '';
}

function errorOfReason(said: Said): SandboxError | undefined {
  const { reason = '', domain } = said.remote;
  if (domain !== errorDomain) return undefined;
  const file = fileFailures.get(reason);
  if (file !== undefined) return fileError(said, file);
  return errorsOfReasons.get(reason)?.(said);
}

const errorsOfReasons: ReadonlyMap<string, (said: Said) => SandboxError> = new Map(
  Object.entries<(said: Said) => SandboxError>({
    [Reason.sandboxNotFound]: ({ status, details }) =>
      new SandboxNotFoundError(status.message, details),
    [Reason.snapshotNotFound]: ({ status, details }) =>
      new SandboxNotFoundError(status.message, details),
    [Reason.sandboxNotRunning]: ({ status, details }) =>
      new SandboxError('ERR_SANDBOX_OVER', status.message, details),
    [Reason.commandTimeout]: timeoutError,
    [Reason.snapshotsNotSupported]: ({ status, details }) =>
      new UnsupportedError('snapshots', status.message, details),
    [Reason.notImplemented]: ({ status, details }) =>
      new UnsupportedError('remote', status.message, details),
    ...Object.fromEntries(
      [...unavailableReasons].map((reason) => [
        reason,
        ({ status, details }: Said) =>
          new SandboxError('ERR_BACKEND_UNAVAILABLE', status.message, details),
      ]),
    ),
  }),
);

function errorOfCode({ status: { code, message }, details }: Said): SandboxError {
  switch (code) {
    case GrpcCode.NOT_FOUND:
      return new SandboxNotFoundError(message, details);
    case GrpcCode.INVALID_ARGUMENT:
      return new SandboxValidationError(withViolations(message, details), details);
    case GrpcCode.UNIMPLEMENTED:
      return new UnsupportedError('remote', message, details);
    case GrpcCode.CANCELLED:
      return new CancelledError(message, details);
    default:
      return new SandboxError(codeOfStatus[code] ?? 'ERR_REMOTE', message, details);
  }
}

const codeOfStatus: Readonly<Record<number, SandboxErrorCode>> = {
  [GrpcCode.UNAVAILABLE]: 'ERR_BACKEND_UNAVAILABLE',
  [GrpcCode.DEADLINE_EXCEEDED]: 'ERR_REQUEST_TIMEOUT',
  [GrpcCode.RESOURCE_EXHAUSTED]: 'ERR_RESOURCE_EXHAUSTED',
  [GrpcCode.UNAUTHENTICATED]: 'ERR_PERMISSION',
  [GrpcCode.PERMISSION_DENIED]: 'ERR_PERMISSION',
};

function withViolations(message: string, { remote }: SandboxErrorDetails): string {
  const violations = (remote?.violations ?? []).map(
    ({ field, description }) => `${field}: ${description}`,
  );
  return violations.length === 0 ? message : `${message} (${violations.join('; ')})`;
}

function fileError(
  { status: { message }, subject, details, remote }: Said,
  reason: FileFailure,
): SandboxFileError {
  const told = remote.metadata?.['filepath'] ?? '';
  const prefix = `${told}: `;
  // The class puts the path before the message itself.
  const rest = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  return new SandboxFileError(reason, rest, { ...details, path: subject.path ?? told });
}

function isErrorCode(code: string | undefined): code is SandboxErrorCode {
  return code !== undefined && Object.hasOwn(statusOfCode, code);
}

function isFileFailure(reason: string): reason is FileFailure {
  return Object.hasOwn(statusOfFile, reason);
}

const executionFailures: Readonly<Record<ExecutionFailure, true>> = {
  not_found: true,
  not_executable: true,
  bad_cwd: true,
  too_large: true,
  not_started: true,
  exit_status: true,
  stdin_closed: true,
  process_over: true,
};

function isExecutionFailure(reason: string): reason is ExecutionFailure {
  return Object.hasOwn(executionFailures, reason);
}
