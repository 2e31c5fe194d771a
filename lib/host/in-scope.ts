import { defer } from 'rxjs';
import { requestCheck } from './auth/scope.js';
import type { HostStream } from './call.js';
import type { BidirectionalMethod, ServerStreamingMethod, UnaryMethod } from './served-method.js';

/** Answers what the caller's token is for; the rest is refused. */
export function unaryInScope<Request, Response>(
  path: string,
  answer: UnaryMethod<Request, Response>['answer'],
): UnaryMethod<Request, Response>['answer'] {
  return (request, context) =>
    defer(() => {
      requestCheck(context, path)(request);
      return answer(request, context);
    });
}

/** The same, for a stream of answers. */
export function serverStreamingInScope<Request, Response>(
  path: string,
  answer: ServerStreamingMethod<Request, Response>['answer'],
): ServerStreamingMethod<Request, Response>['answer'] {
  return (request, stream) => {
    try {
      requestCheck(stream, path)(request);
    } catch (error) {
      stream.fail(error);
      return;
    }
    answer(request, stream);
  };
}

/** The same, for streams both ways: each message is looked at before anybody hears it. */
export function bidirectionalInScope<Request, Response>(
  path: string,
  answer: BidirectionalMethod<Request, Response>['answer'],
): BidirectionalMethod<Request, Response>['answer'] {
  return (stream) => {
    const isFree = stream.scope === undefined;
    answer(isFree ? stream : checked(stream, requestCheck(stream, path)));
  };
}

function checked<Request, Response>(
  stream: HostStream<Request, Response>,
  check: (request: Request) => void,
): HostStream<Request, Response> {
  const { metadata, caller, scope } = stream;
  return {
    metadata,
    caller,
    scope,
    listen: (listener) => {
      stream.listen({
        message: (request) => {
          try {
            check(request);
          } catch (error) {
            listener.cancelled();
            stream.fail(error);
            return;
          }
          listener.message(request);
        },
        halfClosed: () => {
          listener.halfClosed();
        },
        cancelled: () => {
          listener.cancelled();
        },
      });
    },
    pause: (paused) => {
      stream.pause(paused);
    },
    send: (message) => stream.send(message),
    sendEncoded: (message) => stream.sendEncoded(message),
    pieceBytes: stream.pieceBytes,
    whenDrained: (callback) => {
      stream.whenDrained(callback);
    },
    end: (trailers) => {
      stream.end(trailers);
    },
    fail: (error) => {
      stream.fail(error);
    },
  };
}
