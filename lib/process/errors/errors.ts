import type { ProcessResult } from '../process-result.js';
import { brandError, SandboxError, type SandboxErrorDetails } from './sandbox-error.js';

/**
 * An argument has the wrong type, range or shape. Thrown by the call itself, before anything runs.
 *
 * @example
 * ```ts
 * import { SandboxValidationError, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * try {
 *   sandbox.exec([]);
 * } catch (error) {
 *   if (error instanceof SandboxValidationError) console.error(error.message);
 * }
 * ```
 */
export class SandboxValidationError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/SandboxValidationError');

  constructor(message: string, details?: SandboxErrorDetails) {
    super('ERR_VALIDATION', message, details);
  }
}

/**
 * Why a command could not be started, or what was wrong with how it was used.
 *
 * The first five are `execve(2)`'s: `ENOENT`, `EACCES`, `chdir(2)` on the cwd, `E2BIG`, and anything else.
 */
export type ExecutionFailure =
  | 'not_found'
  | 'not_executable'
  | 'bad_cwd'
  | 'too_large'
  | 'not_started'
  | 'exit_status'
  | 'stdin_closed'
  | 'process_over';

const executionCodes = {
  not_found: 'ERR_NOT_STARTED',
  not_executable: 'ERR_NOT_STARTED',
  bad_cwd: 'ERR_NOT_STARTED',
  too_large: 'ERR_NOT_STARTED',
  not_started: 'ERR_NOT_STARTED',
  exit_status: 'ERR_EXIT_STATUS',
  stdin_closed: 'ERR_STDIN_CLOSED',
  process_over: 'ERR_PROCESS_OVER',
} as const;

/**
 * A command could not be started (`reason` says why), did not succeed although `check` asked for it
 * (`reason: 'exit_status'`, and `result` holds everything), or was written to after its end.
 *
 * @see {@link https://pubs.opengroup.org/onlinepubs/9799919799/functions/exec.html | POSIX exec}
 */
export class SandboxExecutionError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/SandboxExecutionError');
  /** What went wrong. */
  readonly reason: ExecutionFailure;
  /** The whole result, when the command ran and `check` refused its exit status. */
  readonly result: ProcessResult | undefined;

  constructor(
    reason: ExecutionFailure,
    message: string,
    details: SandboxErrorDetails & { readonly result?: ProcessResult } = {},
  ) {
    super(executionCodes[reason], message, details);
    this.reason = reason;
    this.result = details.result;
  }
}

/** A run outlived its `timeoutMs`, or many their `totalTimeoutMs`; their process trees were killed. */
export class SandboxTimeoutError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/SandboxTimeoutError');
  /** The `timeoutMs` that was exceeded. */
  readonly timeoutMs: number;

  constructor(
    timeoutMs: number,
    details?: SandboxErrorDetails,
    message = `the run was killed: it took longer than its timeoutMs of ${timeoutMs}`,
  ) {
    super('ERR_RUN_TIMEOUT', message, details);
    this.timeoutMs = timeoutMs;
  }
}

/** `wait` or `result` gave up waiting. What was waited for goes on, and may be waited for again. */
export class TimeoutError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/TimeoutError');
  /** How long was waited. */
  readonly timeoutMs: number;

  constructor(timeoutMs: number, details?: SandboxErrorDetails) {
    super(
      'ERR_WAIT_TIMEOUT',
      `not over within ${timeoutMs} ms; it goes on, so wait again or cancel it`,
      {
        ...details,
        retryable: true,
      },
    );
    this.timeoutMs = timeoutMs;
  }
}

/** The operation was cancelled: by `cancel()`, or through an AbortSignal, whose reason is then the `cause`. */
export class CancelledError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/CancelledError');

  constructor(message = 'cancelled', details?: SandboxErrorDetails) {
    super('ERR_CANCELLED', message, details);
  }
}

/**
 * The connection to a run was lost and its outcome is not known: it may have run to its end, or run still.
 * `runId` names the run, to attach to later. Without one, it is `create()` that was lost: there may be a sandbox.
 */
export class ConnectionLostError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/ConnectionLostError');

  constructor(message: string, details?: SandboxErrorDetails) {
    super('ERR_CONNECTION_LOST', message, details);
  }
}

/** Output outgrew a bound that was set to fail: `overflow: 'fail'`, or the longest line of `lines()`. */
export class OutputLimitError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/OutputLimitError');
  /** The bound that was exceeded, in the unit the message names. */
  readonly limit: number;

  constructor(message: string, limit: number, details?: SandboxErrorDetails) {
    super('ERR_OUTPUT_LIMIT', message, details);
    this.limit = limit;
  }
}

/** The backend cannot do this; `capability` names what it lacks. */
export class UnsupportedError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/UnsupportedError');
  /** The name of the capability in `SandboxBackend.capabilities`. */
  readonly capability: string;

  constructor(capability: string, message: string, details?: SandboxErrorDetails) {
    super('ERR_UNSUPPORTED', message, details);
    this.capability = capability;
  }
}

/** There is no sandbox, no run or no snapshot with this id. */
export class SandboxNotFoundError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/SandboxNotFoundError');

  constructor(message: string, details?: SandboxErrorDetails) {
    super('ERR_NOT_FOUND', message, details);
  }
}

/** Why an operation on a file failed. */
export type FileFailure =
  | 'not_found'
  | 'is_directory'
  | 'not_directory'
  | 'permission_denied'
  | 'no_space'
  | 'too_large'
  | 'failed';

/** An operation on a file in a sandbox failed; `reason` says why, `path` on what. */
export class SandboxFileError extends SandboxError {
  /** @internal */
  static override readonly brand: symbol = Symbol.for('sandbox-rx/SandboxFileError');
  /** What went wrong. */
  readonly reason: FileFailure;
  /** The path, as it was given. */
  readonly path: string;

  constructor(
    reason: FileFailure,
    message: string,
    details: SandboxErrorDetails & { readonly path: string },
  ) {
    super('ERR_FILE', `${details.path}: ${message}`, details);
    this.reason = reason;
    this.path = details.path;
  }
}

brandError(SandboxValidationError, 'SandboxValidationError');
brandError(SandboxExecutionError, 'SandboxExecutionError');
brandError(SandboxTimeoutError, 'SandboxTimeoutError');
brandError(TimeoutError, 'TimeoutError');
brandError(CancelledError, 'CancelledError');
brandError(ConnectionLostError, 'ConnectionLostError');
brandError(OutputLimitError, 'OutputLimitError');
brandError(UnsupportedError, 'UnsupportedError');
brandError(SandboxNotFoundError, 'SandboxNotFoundError');
brandError(SandboxFileError, 'SandboxFileError');
