import { NEVER, Observable } from 'rxjs';
import type { RpcMethod } from './rpc-method.js';
import type { CallOptions, RpcMetadata, RpcTransport } from './rpc-transport.js';

/** A call with one request and a stream of answers. */
export interface Streaming<Request, Response> {
  readonly method: RpcMethod<Request, Response>;
  readonly request: Request;
  readonly options: CallOptions;
  /** Told before the first answer is what came before it. */
  readonly opened?: (metadata: RpcMetadata) => void;
  /** Whether to stop reading. Default: never. */
  readonly paused$?: Observable<boolean>;
}

/** The answers to a call, which is made for each subscription; unsubscribing cancels it. */
export function streamed<Request, Response>(
  transport: RpcTransport,
  {
    method,
    request,
    options,
    opened = () => undefined,
    paused$ = NEVER,
  }: Streaming<Request, Response>,
): Observable<Response> {
  return new Observable((subscriber) => {
    const stream = transport.open(
      method,
      {
        opened,
        message: (message) => {
          subscriber.next(message);
        },
        end: () => {
          subscriber.complete();
        },
        error: (error) => {
          subscriber.error(error);
        },
      },
      options,
    );
    stream.send(request);
    stream.halfClose();
    subscriber.add(() => {
      stream.cancel();
    });
    subscriber.add(
      paused$.subscribe({
        next: (paused) => {
          stream.pause(paused);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
  });
}
