/** Every value that {@link SandboxError.code} can have. `errors/README.md` says what to do about each. */
export type SandboxErrorCode =
  | 'ERR_BACKEND_UNAVAILABLE'
  | 'ERR_BAD_ANSWER'
  | 'ERR_CANCELLED'
  | 'ERR_CONNECTION_LOST'
  | 'ERR_EXIT_STATUS'
  | 'ERR_FILE'
  | 'ERR_INVALID_JSON'
  | 'ERR_NOT_FOUND'
  | 'ERR_NOT_STARTED'
  | 'ERR_OUTPUT_LIMIT'
  | 'ERR_PERMISSION'
  | 'ERR_PROCESS_OVER'
  | 'ERR_REMOTE'
  | 'ERR_REQUEST_TIMEOUT'
  | 'ERR_RESOURCE_EXHAUSTED'
  | 'ERR_RUN_TIMEOUT'
  | 'ERR_SANDBOX_OVER'
  | 'ERR_STDIN_CLOSED'
  | 'ERR_UNSUPPORTED'
  | 'ERR_VALIDATION'
  | 'ERR_WAIT_TIMEOUT';

/** A field of a request that a server refused, and why. */
export interface FieldViolation {
  /** Its name in the request, such as `sandbox.spec.containers[0].image`. */
  readonly field: string;
  readonly description: string;
}

/**
 * What a server said of an error beside its message, as `google.rpc` has words for it.
 *
 * @see {@link https://google.aip.dev/193 | AIP-193, Errors}
 */
export interface RemoteDetails {
  /** The status of the call: 5 is NOT_FOUND, 14 UNAVAILABLE. */
  readonly grpcCode: number;
  /** The machine's word for what happened, such as `CWSANDBOX_SANDBOX_NOT_FOUND`. */
  readonly reason?: string;
  /** Whose word `reason` is. */
  readonly domain?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long to wait before the same call is made again, in milliseconds. 0 gives no hint. */
  readonly retryDelayMs?: number;
  /** The fields that are wrong. */
  readonly violations?: readonly FieldViolation[];
}

/** What an error may say about itself beside its message. */
export interface SandboxErrorDetails {
  /** The error that led to this one, as its engine gave it. */
  readonly cause?: unknown;
  /** The sandbox it happened in. */
  readonly sandboxId?: string;
  /** The run it happened to. */
  readonly runId?: string;
  /** The snapshot it is about. */
  readonly snapshotId?: string;
  /** Whether the same call may succeed when it is made again. Default `false`. */
  readonly retryable?: boolean;
  /** What the server said of it, where a server did. */
  readonly remote?: RemoteDetails;
}

/**
 * The root of every error that this library raises.
 *
 * Branch on `code`, which is stable, or on a subclass; never on the message. `instanceof` holds across two
 * copies of the package (ESM and CommonJS in one program, say), because it reads a registered symbol.
 *
 * @example
 * ```ts
 * import { SandboxError } from 'sandbox-rx';
 *
 * declare const error: unknown;
 * if (error instanceof SandboxError && error.retryable) console.log('again', error.code);
 * ```
 */
export class SandboxError extends Error {
  /** @internal What `instanceof` looks for; each subclass has its own. */
  static readonly brand: symbol = Symbol.for('sandbox-rx/SandboxError');

  static override [Symbol.hasInstance](value: unknown): boolean {
    return Object.hasOwn(this, 'brand')
      ? typeof value === 'object' && value !== null && this.brand in value
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** What happened, stable across versions. */
  readonly code: SandboxErrorCode;
  /** The sandbox it happened in, where there is one. */
  readonly sandboxId: string | undefined;
  /** The run it happened to, where there is one. */
  readonly runId: string | undefined;
  /** The snapshot it is about, where it is about one. */
  readonly snapshotId: string | undefined;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;
  /** What the server said of it, where a server did. */
  readonly remote: RemoteDetails | undefined;

  constructor(code: SandboxErrorCode, message: string, details: SandboxErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.sandboxId = details.sandboxId;
    this.runId = details.runId;
    this.snapshotId = details.snapshotId;
    this.retryable = details.retryable ?? false;
    this.remote = details.remote;
  }
}

/**
 * Gives an error class its name and its brand on the prototype, where every instance and subclass has it.
 *
 * @internal
 */
export function brandError(
  errorClass: { readonly brand: symbol; prototype: Error },
  name: string,
): void {
  Object.defineProperty(errorClass.prototype, errorClass.brand, { value: true });
  Object.defineProperty(errorClass.prototype, 'name', {
    value: name,
    configurable: true,
    writable: true,
  });
}

brandError(SandboxError, 'SandboxError');
