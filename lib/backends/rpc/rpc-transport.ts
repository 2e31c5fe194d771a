import { Observable } from 'rxjs';
import type { CallSubject } from '../../wire/status-to-error.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { RpcMethod } from './rpc-method.js';

/** What goes beside a message: keys in lower case; those that end in `-bin` have bytes. */
export type RpcMetadata = Readonly<Record<string, string | Uint8Array>>;

/** How a call is made. */
export interface CallOptions {
  readonly metadata?: RpcMetadata;
  /** The call fails when it takes longer, in milliseconds. Default: for ever. */
  readonly timeoutMs?: number;
  /** What the call is about, for its error. */
  readonly subject?: CallSubject;
  /** Told before the error is that the call failed. `wasSent`: the server may have got it. */
  readonly failed?: (wasSent: boolean) => void;
}

/** The answer to a unary call. */
export interface Answer<Response> {
  readonly message: Response;
  /** What came before it. */
  readonly metadata: RpcMetadata;
}

/**
 * Who is told of a stream; of nothing after `end` or `error`. While it is paused, no more than one message comes, and
 * `error`, which says that nothing more will.
 */
export interface StreamObserver<Response> {
  opened(metadata: RpcMetadata): void;
  message(message: Response): void;
  /** All messages have been told, and the call succeeded. */
  end(trailers: RpcMetadata): void;
  /** `wasSent`: the server may have got the call. */
  error(error: SandboxError, wasSent: boolean): void;
}

/** A stream that is open. */
export interface RpcStream<Request> {
  /** Sends a message; `accepted` is called when there is room for more and `message` is no longer needed. */
  send(message: Request, accepted?: () => void): void;
  /** Nothing more will be sent. */
  halfClose(): void;
  /** Stops reading, or goes on: what the server sends meanwhile fills the connection's window and then waits there. */
  pause(paused: boolean): void;
  /** Gives the call up. The observer is told nothing more. */
  cancel(): void;
}

/** What carries calls to a server. The adapter above is the same for all of them. */
export abstract class RpcTransport {
  /** A word for messages, such as `grpc`. */
  abstract readonly name: string;
  /** Opens a stream now. A call that cannot even be made is told as any other that fails. */
  abstract open<Request, Response>(
    method: RpcMethod<Request, Response>,
    observer: StreamObserver<Response>,
    options?: CallOptions,
  ): RpcStream<Request>;
  /** Ends all calls and lets go of the connection. */
  abstract close(): void;

  /** A cold call, made of a stream with one message each way: unsubscribing cancels it. */
  call<Request, Response>(
    method: RpcMethod<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Observable<Answer<Response>> {
    return new Observable((subscriber) => {
      let metadata: RpcMetadata = {};
      let message: Response | undefined;
      const observer: StreamObserver<Response> = {
        opened: (opened) => (metadata = opened),
        message: (received) => (message = received),
        end: () => {
          if (message === undefined) {
            const text = 'the server answered nothing';
            subscriber.error(new SandboxError('ERR_REMOTE', text, options.subject));
            return;
          }
          subscriber.next({ message, metadata });
          subscriber.complete();
        },
        error: (error, wasSent) => {
          options.failed?.(wasSent);
          subscriber.error(error);
        },
      };
      const stream = this.open(method, observer, options);
      stream.send(request);
      stream.halfClose();
      return () => {
        stream.cancel();
      };
    });
  }
}
