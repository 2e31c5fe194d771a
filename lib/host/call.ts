import type { Parts } from '../process/bytes.js';
import type { Scoped } from './auth/scope.js';
import type { Caller } from './auth/tokens.js';

/** What came beside a message: keys in lower case; those that end in `-bin` have bytes. */
export type CallMetadata = Readonly<Record<string, string | Uint8Array>>;

/** Who makes a call, and with what. */
export interface CallContext extends Caller {
  readonly metadata: CallMetadata;
  /** Aborted when the caller gave the call up, went away, or its deadline passed. */
  readonly signal: AbortSignal;
}

/** Who hears what a caller sends on a stream. */
export interface StreamListener<Request> {
  message(request: Request): void;
  /** The caller sends nothing more. It still listens. */
  halfClosed(): void;
  /** The caller has gone: nothing can be sent, and nothing will come. */
  cancelled(): void;
}

/** The server's end of a stream. */
export interface HostStream<Request, Response> extends Scoped {
  readonly metadata: CallMetadata;
  /** The name of the caller's token, where the host wants tokens. */
  readonly caller: string | undefined;
  /** Begins to hear what the caller sends. */
  listen(listener: StreamListener<Request>): void;
  /** Stops hearing, or goes on: the caller then has to wait. */
  pause(paused: boolean): void;
  /** Sends a message; `false` when the caller is behind, and {@link HostStream.whenDrained} tells when it is not. */
  send(message: Response): boolean;
  /** The same with a message that is encoded already, in parts: the bytes are not to be changed after that. */
  sendEncoded(message: Parts): boolean;
  /** Larger messages travel in pieces, which costs whoever puts them together a copy. */
  readonly pieceBytes: number;
  /** Calls back, once, when there is room again. */
  whenDrained(callback: () => void): void;
  end(trailers?: CallMetadata): void;
  fail(error: unknown): void;
}
