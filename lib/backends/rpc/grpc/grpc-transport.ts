import { Metadata, status as GrpcStatus, type StatusObject } from '@grpc/grpc-js';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import { endedWith, neverOpened, notMade, readMessages } from '../call-failures.js';
import type { RpcMethod } from '../rpc-method.js';
import {
  type CallOptions,
  type RpcMetadata,
  type RpcStream,
  RpcTransport,
  type StreamObserver,
} from '../rpc-transport.js';
import { Connection, type Call, type ConnectionTarget } from './connection.js';

/** How a transport reaches its server. */
export interface GrpcTarget extends ConnectionTarget {
  /** Sent with each call; asked again for each, so that a token may change. */
  readonly metadata: () => RpcMetadata;
}

/**
 * Calls over HTTP/2 by `@grpc/grpc-js`.
 *
 * It works on the channel's calls, below the library's Node streams: there a message is delivered when it is asked for
 * and a status of OK when all have been, so a reader may stop wherever it likes and loses nothing. The Node streams ask
 * for 16 messages ahead and emit `status` when the last of these has come, not when it was read: a paused 'data' reader
 * who takes `status` for the end loses up to 16 messages, and an async iteration, which waits for 'end', none. A status
 * other than OK loses them on both levels, and all that is still in the connection's window, so a host of ours ends a
 * stream that has told output with OK and says in a frame what failed.
 */
export class GrpcTransport extends RpcTransport {
  override readonly name: string = 'grpc';
  readonly #connection: Connection;
  readonly #metadata: () => RpcMetadata;

  constructor({ metadata, ...target }: GrpcTarget) {
    super();
    this.#connection = new Connection(target);
    this.#metadata = metadata;
  }

  override open<Request, Response>(
    method: RpcMethod<Request, Response>,
    observer: StreamObserver<Response>,
    { metadata = {}, timeoutMs, subject }: CallOptions = {},
  ): RpcStream<Request> {
    const deadline = timeoutMs === undefined ? Infinity : Date.now() + timeoutMs;
    let opened: ReturnType<Connection['open']>;
    let sent: Metadata;
    try {
      sent = metadataOf(this.#metadata(), metadata);
      opened = this.#connection.open(method.path, deadline);
    } catch (cause) {
      observer.error(notMade(cause, subject), false);
      return neverOpened;
    }
    const { call, wasSent, over } = opened;
    const stream = new GrpcStream(call, method, observer);
    call.start(sent, {
      onReceiveMetadata: (received) => {
        stream.opened(received);
      },
      onReceiveMessage: (message: Uint8Array) => {
        stream.received(message);
      },
      onReceiveStatus: (status) => {
        over();
        stream.over(status, subject, wasSent);
      },
    });
    call.startRead();
    return stream;
  }

  override close(): void {
    this.#connection.close();
  }
}

/** A message that is to be sent. */
interface Outgoing {
  readonly buffer: Buffer;
  readonly accepted: (() => void) | undefined;
}

class GrpcStream<Request, Response> implements RpcStream<Request> {
  readonly #call: Call;
  readonly #method: RpcMethod<Request, Response>;
  readonly #observer: StreamObserver<Response>;
  #paused = false;
  /** A message has been asked for and has not come. */
  #asked = true;
  #over = false;
  readonly #outgoing: Outgoing[] = [];
  #isSending = false;
  #isHalfClosing = false;

  constructor(
    call: Call,
    method: RpcMethod<Request, Response>,
    observer: StreamObserver<Response>,
  ) {
    this.#call = call;
    this.#method = method;
    this.#observer = observer;
  }

  opened(metadata: Metadata): void {
    if (!this.#over) this.#observer.opened(plain(metadata));
  }

  received(message: Uint8Array): void {
    if (this.#over) return;
    this.#asked = false;
    const decoded = readMessages(this.#method, [message]);
    if (decoded instanceof SandboxError) {
      this.#fail(decoded);
      return;
    }
    for (const one of decoded) this.#observer.message(one);
    this.#ask();
  }

  over(status: StatusObject, subject: CallOptions['subject'], wasSent: () => boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { code, details: message, metadata } = status;
    const trailers = plain(metadata);
    if (code === GrpcStatus.OK) this.#observer.end(trailers);
    else this.#observer.error(endedWith({ code, message, trailers }, subject), wasSent());
  }

  send(message: Request, accepted?: () => void): void {
    if (this.#over) return;
    const bytes = this.#method.encode(message);
    this.#outgoing.push({
      buffer: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      accepted,
    });
    this.#sendNext();
  }

  halfClose(): void {
    this.#isHalfClosing = true;
    this.#sendNext();
  }

  /** A call takes one message at a time; given more, it may half-close before the last. */
  #sendNext(): void {
    if (this.#isSending || this.#over) return;
    const next = this.#outgoing.shift();
    if (next === undefined) {
      if (this.#isHalfClosing) this.#call.halfClose();
      return;
    }
    this.#isSending = true;
    const callback = (error?: Error | null): void => {
      this.#isSending = false;
      // With an error the call has failed, which its status tells.
      if (error) return;
      next.accepted?.();
      this.#sendNext();
    };
    this.#call.sendMessageWithContext({ callback }, next.buffer);
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#ask();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.cancelWithStatus(GrpcStatus.CANCELLED, 'cancelled');
  }

  #ask(): void {
    if (this.#paused || this.#asked || this.#over) return;
    this.#asked = true;
    this.#call.startRead();
  }

  #fail(error: SandboxError): void {
    this.cancel();
    this.#observer.error(error, true);
  }
}

/** What comes later counts. */
function metadataOf(...all: readonly RpcMetadata[]): Metadata {
  const metadata = new Metadata();
  for (const entries of all) {
    for (const [key, value] of Object.entries(entries))
      metadata.set(key, typeof value === 'string' ? value : Buffer.from(value));
  }
  return metadata;
}

function plain(metadata: Metadata): RpcMetadata {
  return metadata.getMap();
}
