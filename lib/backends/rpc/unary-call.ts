import { Observable } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type {
  Answer,
  CallOptions,
  RpcMetadata,
  RpcStream,
  StreamObserver,
} from './rpc-transport.js';

/** A unary call, made of a stream with one message each way: cold; unsubscribing cancels it. */
export function unaryCall<Request, Response>(
  open: (observer: StreamObserver<Response>) => RpcStream<Request>,
  request: Request,
  options: CallOptions,
): Observable<Answer<Response>> {
  return new Observable((subscriber) => {
    let metadata: RpcMetadata = {};
    let message: Response | undefined;
    const stream = open({
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
    });
    stream.send(request);
    stream.halfClose();
    return () => {
      stream.cancel();
    };
  });
}
