import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import type { Parts } from '../../process/bytes.js';
import type { Codec } from '../../wire/codec.js';
import type { Scope } from '../auth/scope.js';
import type { CallMetadata, HostStream, StreamListener } from '../call.js';
import { callerOf } from './callers.js';
import { whenEnded } from './endings.js';
import { metadataOf, plain, statusOf } from './metadata.js';
import { OutgoingMessage } from './outgoing-message.js';

/** A call whose answers are encoded before they are written. */
type StreamCall<Request> =
  ServerDuplexStream<Request, OutgoingMessage> | ServerWritableStream<unknown, OutgoingMessage>;

/** A caller is behind when so much waits for it. */
const aheadBytes = 65_536;

/** A stream of grpc-js. */
export class GrpcHostStream<Request, Response> implements HostStream<Request, Response> {
  /** HTTP/2 cuts everything into small pieces. */
  readonly pieceBytes: number = Infinity;
  readonly metadata: CallMetadata;
  readonly caller: string | undefined;
  readonly scope: Scope | undefined;
  readonly #call: StreamCall<Request>;
  readonly #encode: (message: Response) => Uint8Array;
  #over = false;
  /** What the connection has not taken yet. The call itself counts messages, of whatever size. */
  #unsentBytes = 0;
  #whenDrained: (() => void) | undefined;

  constructor(
    call: StreamCall<Request>,
    { responseType }: { readonly responseType: Codec<Response> },
  ) {
    this.#call = call;
    this.#encode = (message) => responseType.encode(message).finish();
    this.metadata = plain(call.metadata);
    const { caller, scope } = callerOf(call.metadata);
    this.caller = caller;
    this.scope = scope;
  }

  listen(listener: StreamListener<Request>): void {
    const call = this.#call;
    const cancelled = (): void => {
      if (this.#over) return;
      this.#over = true;
      listener.cancelled();
    };
    call.once('cancelled', cancelled);
    whenEnded(call.metadata, cancelled);
    call.on('error', ignore);
    if (!('read' in call)) return;
    call.on('data', (request: Request) => {
      if (!this.#over) listener.message(request);
    });
    call.once('end', () => {
      if (!this.#over) listener.halfClosed();
    });
  }

  pause(paused: boolean): void {
    const call = this.#call;
    if (!('read' in call)) return;
    if (paused) call.pause();
    else call.resume();
  }

  send(message: Response): boolean {
    return this.sendEncoded([this.#encode(message)]);
  }

  sendEncoded(parts: Parts): boolean {
    if (this.#over) return true;
    const message = new OutgoingMessage(parts);
    this.#unsentBytes += message.length;
    this.#call.write(message, (error?: Error | null) => {
      this.#unsentBytes -= message.length;
      if (!error && !message.isTaken) this.fail(new Error('grpc-js did not take a message'));
      if (this.#unsentBytes < aheadBytes) this.#drained();
    });
    return this.#unsentBytes < aheadBytes;
  }

  whenDrained(callback: () => void): void {
    this.#whenDrained = callback;
  }

  #drained(): void {
    const callback = this.#whenDrained;
    this.#whenDrained = undefined;
    callback?.();
  }

  end(trailers: CallMetadata = {}): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.end(metadataOf(trailers));
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.emit('error', statusOf(error));
  }
}

function ignore(): void {
  // The call is over: 'cancelled' has told it, or we have ended it.
}
