import type { FileFailure } from '../process/errors/errors.js';
import type { SandboxErrorCode } from '../process/errors/sandbox-error.js';
import { GrpcCode } from './grpc-code.js';

/** Whose reasons these are; a reason of another domain says nothing of the class of an error. */
export const errorDomain = 'cwsandbox.com';

/** The reasons of coreweave.sandbox.v1 that say more than the status code of a call. */
export const Reason = {
  fileNotFound: 'CWSANDBOX_FILE_NOT_FOUND',
  fileIsDirectory: 'CWSANDBOX_FILE_IS_DIRECTORY',
  fileIoFailed: 'CWSANDBOX_FILE_IO_FAILED',
  filePermissionDenied: 'CWSANDBOX_FILE_PERMISSION_DENIED',
  fileTooLarge: 'CWSANDBOX_FILE_TOO_LARGE',
  sandboxNotFound: 'CWSANDBOX_SANDBOX_NOT_FOUND',
  sandboxNotRunning: 'CWSANDBOX_SANDBOX_NOT_RUNNING',
  runnerNotFound: 'CWSANDBOX_RUNNER_NOT_FOUND',
  runnerUnavailable: 'CWSANDBOX_RUNNER_UNAVAILABLE',
  backendUnavailable: 'CWSANDBOX_BACKEND_UNAVAILABLE',
  commandTimeout: 'CWSANDBOX_COMMAND_TIMEOUT',
  invalidRequest: 'CWSANDBOX_INVALID_REQUEST',
  notImplemented: 'CWSANDBOX_NOT_IMPLEMENTED',
  snapshotNotFound: 'CWSANDBOX_FSS_NOT_FOUND',
  snapshotNotReady: 'CWSANDBOX_FSS_NOT_READY',
  snapshotsNotSupported: 'CWSANDBOX_FSS_NOT_SUPPORTED',
} as const;

/** How reasons begin that are about snapshots. */
export const snapshotReasons = 'CWSANDBOX_FSS_';

/** Reasons that mean the server, or what it needs, is not there for now. */
export const unavailableReasons: ReadonlySet<string> = new Set([
  Reason.runnerUnavailable,
  Reason.backendUnavailable,
  'CWSANDBOX_FSS_BACKEND_THROTTLED',
  'CWSANDBOX_FSS_INFLIGHT_LIMIT',
  'CWSANDBOX_FSS_BUCKET_PROVISIONING',
]);

/** What a reason says of a file. A Map, as are all that a server's words are looked up in: an object has `toString` too. */
export const fileFailures: ReadonlyMap<string, FileFailure> = new Map([
  [Reason.fileNotFound, 'not_found'],
  [Reason.fileIsDirectory, 'is_directory'],
  [Reason.filePermissionDenied, 'permission_denied'],
  [Reason.fileTooLarge, 'too_large'],
  [Reason.fileIoFailed, 'failed'],
  ['CWSANDBOX_FILE_TRUNCATED', 'failed'],
]);

/** How an error with one of our codes is told: the status of the call, and the reason. */
export const statusOfCode: Readonly<Record<SandboxErrorCode, readonly [number, string]>> = {
  ERR_BACKEND_UNAVAILABLE: [GrpcCode.UNAVAILABLE, Reason.backendUnavailable],
  ERR_BAD_ANSWER: [GrpcCode.UNKNOWN, 'SANDBOXRX_BAD_ANSWER'],
  ERR_CANCELLED: [GrpcCode.CANCELLED, 'SANDBOXRX_CANCELLED'],
  ERR_CONNECTION_LOST: [GrpcCode.UNAVAILABLE, 'SANDBOXRX_CONNECTION_LOST'],
  ERR_EXIT_STATUS: [GrpcCode.UNKNOWN, 'SANDBOXRX_EXIT_STATUS'],
  ERR_FILE: [GrpcCode.INTERNAL, Reason.fileIoFailed],
  ERR_INVALID_JSON: [GrpcCode.UNKNOWN, 'SANDBOXRX_INVALID_JSON'],
  ERR_NOT_FOUND: [GrpcCode.NOT_FOUND, Reason.sandboxNotFound],
  ERR_NOT_STARTED: [GrpcCode.FAILED_PRECONDITION, 'SANDBOXRX_NOT_STARTED'],
  ERR_OUTPUT_LIMIT: [GrpcCode.RESOURCE_EXHAUSTED, 'SANDBOXRX_OUTPUT_LIMIT'],
  ERR_PERMISSION: [GrpcCode.PERMISSION_DENIED, 'SANDBOXRX_PERMISSION'],
  ERR_PROCESS_OVER: [GrpcCode.FAILED_PRECONDITION, 'SANDBOXRX_PROCESS_OVER'],
  ERR_REMOTE: [GrpcCode.INTERNAL, 'SANDBOXRX_REMOTE'],
  ERR_REQUEST_TIMEOUT: [GrpcCode.DEADLINE_EXCEEDED, 'SANDBOXRX_REQUEST_TIMEOUT'],
  ERR_RESOURCE_EXHAUSTED: [GrpcCode.RESOURCE_EXHAUSTED, 'SANDBOXRX_RESOURCE_EXHAUSTED'],
  ERR_RUN_TIMEOUT: [GrpcCode.DEADLINE_EXCEEDED, Reason.commandTimeout],
  ERR_SANDBOX_OVER: [GrpcCode.FAILED_PRECONDITION, Reason.sandboxNotRunning],
  ERR_STDIN_CLOSED: [GrpcCode.FAILED_PRECONDITION, 'SANDBOXRX_STDIN_CLOSED'],
  ERR_UNSUPPORTED: [GrpcCode.UNIMPLEMENTED, Reason.notImplemented],
  ERR_VALIDATION: [GrpcCode.INVALID_ARGUMENT, Reason.invalidRequest],
  ERR_WAIT_TIMEOUT: [GrpcCode.DEADLINE_EXCEEDED, 'SANDBOXRX_WAIT_TIMEOUT'],
};

/** The same for the errors of files, by what went wrong. */
export const statusOfFile: Readonly<Record<FileFailure, readonly [number, string]>> = {
  not_found: [GrpcCode.NOT_FOUND, Reason.fileNotFound],
  is_directory: [GrpcCode.FAILED_PRECONDITION, Reason.fileIsDirectory],
  not_directory: [GrpcCode.FAILED_PRECONDITION, Reason.fileIoFailed],
  permission_denied: [GrpcCode.PERMISSION_DENIED, Reason.filePermissionDenied],
  no_space: [GrpcCode.FAILED_PRECONDITION, Reason.fileIoFailed],
  too_large: [GrpcCode.FAILED_PRECONDITION, Reason.fileTooLarge],
  failed: [GrpcCode.INTERNAL, Reason.fileIoFailed],
};
