/** Every value that {@link SandboxError.code} can have. `errors/README.md` says what to do about each. */
export type SandboxErrorCode =
  | 'ERR_BACKEND_UNAVAILABLE'
  | 'ERR_CANCELLED'
  | 'ERR_CONNECTION_LOST'
  | 'ERR_EXIT_STATUS'
  | 'ERR_FILE'
  | 'ERR_INVALID_JSON'
  | 'ERR_NOT_FOUND'
  | 'ERR_NOT_STARTED'
  | 'ERR_OUTPUT_LIMIT'
  | 'ERR_PROCESS_OVER'
  | 'ERR_RUN_TIMEOUT'
  | 'ERR_SANDBOX_OVER'
  | 'ERR_STDIN_CLOSED'
  | 'ERR_UNSUPPORTED'
  | 'ERR_VALIDATION'
  | 'ERR_WAIT_TIMEOUT';

/** What an error may say about itself beside its message. */
export interface SandboxErrorDetails {
  /** The error that led to this one, as its engine gave it. */
  readonly cause?: unknown;
  /** The sandbox it happened in. */
  readonly sandboxId?: string;
  /** The run it happened to. */
  readonly runId?: string;
  /** Whether the same call may succeed when it is made again. Default `false`. */
  readonly retryable?: boolean;
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
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;

  constructor(code: SandboxErrorCode, message: string, details: SandboxErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.sandboxId = details.sandboxId;
    this.runId = details.runId;
    this.retryable = details.retryable ?? false;
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
