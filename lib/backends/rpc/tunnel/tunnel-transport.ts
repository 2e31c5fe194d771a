import type { SchedulerLike } from 'rxjs';
import type { Parts } from '../../../process/bytes.js';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import { maxTimerMs } from '../../../process/validate.js';
import { GrpcCode, type CallStatus } from '../../../wire/grpc-code.js';
import { statusToError, type CallSubject } from '../../../wire/status-to-error.js';
import type { CallEnd } from '../../../wire/tunnel/call.js';
import type { OpenCall } from '../../../wire/tunnel/client-call.js';
import { Timer } from '../../../wire/tunnel/clock.js';
import { endedWith, neverOpened, notMade, readMessages } from '../call-failures.js';
import type { RpcMethod } from '../rpc-method.js';
import {
  type CallOptions,
  type RpcMetadata,
  type RpcStream,
  RpcTransport,
  type StreamObserver,
} from '../rpc-transport.js';
import type { Connector } from './connector.js';
import type { LineCallObserver } from './line-call.js';

/** What a transport is made of. */
export interface TunnelTransportOptions {
  readonly connector: Connector;
  /** Sent with each call. */
  readonly metadata: RpcMetadata;
  /** For deadlines. */
  readonly scheduler: SchedulerLike;
}

/** Calls over the tunnel: many at once over one WebSocket, which may break and come back. */
export class TunnelTransport extends RpcTransport {
  override readonly name: string = 'websocket';
  readonly #options: TunnelTransportOptions;

  constructor(options: TunnelTransportOptions) {
    super();
    this.#options = options;
  }

  override open<Request, Response>(
    method: RpcMethod<Request, Response>,
    observer: StreamObserver<Response>,
    { metadata, timeoutMs, subject }: CallOptions = {},
  ): RpcStream<Request> {
    const { connector, scheduler } = this.#options;
    const stream = new TunnelStream(method, { observer, subject, scheduler });
    const all = Object.assign({}, this.#options.metadata, metadata);
    const time = timeoutMs === undefined ? {} : { timeoutMs };
    try {
      stream.begin(connector.open({ method: method.path, metadata: all, ...time }, stream), time);
    } catch (cause) {
      observer.error(notMade(cause, subject), false);
      return neverOpened;
    }
    return stream;
  }

  override close(): void {
    this.#options.connector.close();
  }
}

interface StreamParts<Response> {
  readonly observer: StreamObserver<Response>;
  readonly subject: CallSubject | undefined;
  readonly scheduler: SchedulerLike;
}

class TunnelStream<Request, Response> implements RpcStream<Request>, LineCallObserver {
  readonly #method: RpcMethod<Request, Response>;
  readonly #observer: StreamObserver<Response>;
  readonly #subject: CallSubject | undefined;
  readonly #deadline: Timer;
  #call: OpenCall | undefined;
  #isOver = false;

  constructor(
    method: RpcMethod<Request, Response>,
    { observer, subject, scheduler }: StreamParts<Response>,
  ) {
    this.#method = method;
    this.#observer = observer;
    this.#subject = subject;
    this.#deadline = new Timer(scheduler);
  }

  begin(call: OpenCall, { timeoutMs }: Pick<CallOptions, 'timeoutMs'>): void {
    this.#call = call;
    if (this.#isOver || timeoutMs === undefined || timeoutMs > maxTimerMs) return;
    this.#deadline.set(timeoutMs, () => {
      const message = `the server did not answer within ${timeoutMs} ms`;
      this.#fail(statusToError({ code: GrpcCode.DEADLINE_EXCEEDED, message }, this.#subject));
    });
  }

  opened(metadata: RpcMetadata): void {
    if (!this.#isOver) this.#observer.opened(metadata);
  }

  message(bytes: Parts): void {
    if (this.#isOver) return;
    const messages = readMessages(this.#method, bytes);
    if (messages instanceof SandboxError) this.#fail(messages);
    else for (const message of messages) this.#tell(message);
  }

  #tell(message: Response): void {
    if (!this.#isOver) this.#observer.message(message);
  }

  end({ code, message, trailers }: CallEnd): void {
    if (!this.#finish()) return;
    if (code === GrpcCode.OK) this.#observer.end(trailers);
    else this.#observer.error(endedWith({ code, message, trailers }, this.#subject), true);
  }

  lost(why: CallStatus, wasSent: boolean): void {
    if (this.#finish()) this.#observer.error(statusToError(why, this.#subject), wasSent);
  }

  send(message: Request, accepted?: () => void): void {
    if (!this.#isOver) this.#call?.send([this.#method.encode(message)], accepted);
  }

  halfClose(): void {
    this.#call?.halfClose();
  }

  pause(paused: boolean): void {
    this.#call?.pause(paused);
  }

  cancel(): void {
    if (this.#finish()) this.#call?.cancel();
  }

  /** By this end's doing: the server may have got it. */
  #fail(error: SandboxError): void {
    this.cancel();
    this.#observer.error(error, true);
  }

  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#deadline.clear();
    return true;
  }
}
