import { UnsupportedError } from '../../process/errors/errors.js';
import { errorToStatus } from '../../wire/error-to-status.js';
import { statusDetailsKey } from '../../wire/grpc-code.js';
import type { ServedCallObserver } from '../../wire/tunnel/server-call.js';
import { badField } from '../bad-field.js';
import type { HostStream, StreamListener } from '../call.js';
import {
  answerOnce,
  type BidirectionalMethod,
  type MethodSink,
  type ServedMethod,
  type ServerStreamingMethod,
  type UnaryMethod,
} from '../served-method.js';
import { TunnelCall, type TunnelArrival } from './tunnel-call.js';

/** A method as a tunnel serves it. */
type TunnelMethod = (arrival: TunnelArrival) => ServedCallObserver;

/** Answers the calls of tunnels with the methods of a host. */
export class TunnelMethods {
  readonly #methods: ReadonlyMap<string, TunnelMethod>;

  constructor(methods: readonly ServedMethod[]) {
    this.#methods = new Map(methods.map((method) => [method.path, method.into(tunnelSink)]));
  }

  serve(arrival: TunnelArrival): ServedCallObserver {
    const serve = this.#methods.get(arrival.opening.method) ?? notThere;
    return serve(arrival);
  }
}

/** Not counted: what callers ask for would name metrics. */
function notThere({ call }: TunnelArrival): ServedCallObserver {
  const error = new UnsupportedError('request', 'this host has no such method');
  const { code, message, details } = errorToStatus(error);
  call.end({ code, message, trailers: { [statusDetailsKey]: details } });
  return { message: ignore, halfClosed: ignore, gone: ignore };
}

const tunnelSink: MethodSink<TunnelMethod> = {
  unary<Request, Response>(method: UnaryMethod<Request, Response>): TunnelMethod {
    return (arrival) => {
      const call = new TunnelCall(arrival, method);
      return call.begin(false, () => {
        const gone = new AbortController();
        const answer = (request: Request): void => {
          const context = { metadata: call.metadata, ...call.who, signal: gone.signal };
          answerOnce(method, { request, context }, told);
        };
        const told = {
          answered: (response: Response): void => {
            call.limitTransfer('answer');
            call.send(response);
            call.end();
          },
          failed: (error: unknown): void => {
            call.fail(error);
          },
        };
        const cancelled = (): void => {
          gone.abort();
        };
        call.limitTransfer('request');
        call.listen(new OneRequest(call, answer, cancelled));
      });
    };
  },

  serverStreaming<Request, Response>(
    method: ServerStreamingMethod<Request, Response>,
  ): TunnelMethod {
    return (arrival) => {
      const call = new TunnelCall(arrival, method);
      const answer = (request: Request): void => {
        method.answer(request, call);
      };
      return call.begin(true, () => {
        call.limitTransfer('request');
        call.listen(new OneRequest(call, answer, ignore));
      });
    };
  },

  bidirectional<Request, Response>(method: BidirectionalMethod<Request, Response>): TunnelMethod {
    return (arrival) => {
      const call = new TunnelCall(arrival, method);
      return call.begin(true, () => {
        method.answer(call);
      });
    };
  },
};

/** Hears the one request of a call. */
class OneRequest<Request> implements StreamListener<Request> {
  readonly #call: Pick<HostStream<never, never>, 'fail'>;
  readonly #answer: (request: Request) => void;
  readonly cancelled: () => void;
  #requests: readonly Request[] = [];

  constructor(
    call: Pick<HostStream<never, never>, 'fail'>,
    answer: (request: Request) => void,
    cancelled: () => void,
  ) {
    this.#call = call;
    this.#answer = answer;
    this.cancelled = cancelled;
  }

  message(request: Request): void {
    this.#requests = [...this.#requests, request];
    if (this.#requests.length > 1) this.#call.fail(badField('request', 'there is more than one'));
  }

  halfClosed(): void {
    const [request] = this.#requests;
    if (request === undefined) this.#call.fail(badField('request', 'there is none'));
    else this.#answer(request);
  }
}

function ignore(): void {
  // It is over, or nothing has begun.
}
