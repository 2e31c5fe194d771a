import type { SandboxError } from '../../../process/errors/sandbox-error.js';

/**
 * How a connection stands: `idle` before it is needed and when nothing needs it any more; `reconnecting` when it was lost
 * and calls wait for it, which go on when it is back.
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** A connection, as a user interface shows it. */
export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** Attempts since it was connected last, with the present one; 0 while it is connected or none is made. */
  readonly attempt: number;
  /** How long the server took to answer the last ping, in milliseconds, while it is connected. */
  readonly latencyMs?: number;
  /** How long is waited before the next attempt, in milliseconds, from now. */
  readonly retryInMs?: number;
  /** Why there is no connection, where that is known. */
  readonly error?: SandboxError;
}
