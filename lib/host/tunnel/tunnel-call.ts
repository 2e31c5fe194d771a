import { asyncScheduler } from 'rxjs';
import { joined, lengthOf, type Parts } from '../../process/bytes.js';
import { messageOf } from '../../process/errors/message-of.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { maxTimerMs } from '../../process/validate.js';
import { decodeExactly, type Codec } from '../../wire/codec.js';
import { errorToStatus } from '../../wire/error-to-status.js';
import { Extension, extensionVersion } from '../../wire/extension.js';
import { GrpcCode, statusDetailsKey, type CallStatus } from '../../wire/grpc-code.js';
import type { CallEnd } from '../../wire/tunnel/call.js';
import type { CallOpening } from '../../wire/tunnel/client-call.js';
import { Timer } from '../../wire/tunnel/clock.js';
import type { EndReason } from '../../wire/tunnel/end-reason.js';
import type { ServedCall, ServedCallObserver } from '../../wire/tunnel/server-call.js';
import type { Scope } from '../auth/scope.js';
import type { Caller } from '../auth/tokens.js';
import { badField } from '../bad-field.js';
import type { CallMetadata, HostStream, StreamListener } from '../call.js';
import type { Calls, OpenCall } from '../calls/calls.js';
import type { ReadParts } from '../served-method.js';

/** A call that came through a tunnel. */
export interface TunnelArrival {
  readonly call: ServedCall;
  readonly opening: CallOpening;
  /** Lets it in or refuses it. */
  readonly calls: Calls;
  /** What whoever opened the tunnel showed: it is looked at again for each call, for it may have expired. */
  readonly authorization: string | undefined;
}

/** How its messages are read and written. */
interface Types<Request, Response> {
  readonly requestType: Codec<Request>;
  readonly responseType: Codec<Response>;
  readonly readParts?: ReadParts<Request> | undefined;
}

/** A caller is behind when so much of a call waits for it. */
const aheadBytes = 65_536;

/** A frame of the tunnel has room for as much, with what surrounds it. */
const pieceBytes = 65_536;

/** So long a request may take to come, and an answer that is one message to be taken, in milliseconds. */
const transferMs = 300_000;

/** A call of a tunnel from its admission to its end: to its service it is what a call of gRPC is. */
export class TunnelCall<Request, Response>
  implements HostStream<Request, Response>, ServedCallObserver
{
  readonly pieceBytes: number = pieceBytes;
  readonly metadata: CallMetadata;
  readonly #arrival: TunnelArrival;
  readonly #types: Types<Request, Response>;
  readonly #deadline: Timer = new Timer(asyncScheduler);
  readonly #transfer: Timer = new Timer(asyncScheduler);
  #open: OpenCall | undefined;
  #listener: StreamListener<Request> | undefined;
  #isOver = false;
  #unsentBytes = 0;
  #whenDrained: (() => void) | undefined;

  constructor(arrival: TunnelArrival, types: Types<Request, Response>) {
    this.#arrival = arrival;
    this.#types = types;
    this.metadata = arrival.opening.metadata;
  }

  get caller(): string | undefined {
    return this.#open?.caller;
  }

  get scope(): Scope | undefined {
    return this.#open?.scope;
  }

  /** Who makes the call; nobody who may do more than others, as long as it was not let in. */
  get who(): Caller {
    return this.#open ?? { caller: undefined, isAdmin: false, scope: undefined };
  }

  /** Lets it in, and has it answered. */
  begin(isStream: boolean, answer: () => void): this {
    const { call, calls, opening, authorization } = this.#arrival;
    const fail = (error: unknown): void => {
      this.#cut(error);
    };
    try {
      this.#open = calls.begin({ path: opening.method, isStream, authorization, fail });
    } catch (error) {
      this.fail(error);
      return this;
    }
    call.headers({ [Extension.mark]: extensionVersion });
    this.#setDeadline(opening.timeoutMs);
    answer();
    return this;
  }

  /** What is held here until all of it has come, or gone, is not held for ever, also where its caller has set no deadline. */
  limitTransfer(what: 'request' | 'answer'): void {
    const { timeoutMs = Infinity } = this.#arrival.opening;
    if (this.#isOver || timeoutMs <= transferMs) return;
    this.#transfer.set(transferMs, () => {
      this.#late(`the ${what} took longer than ${transferMs} ms`);
    });
  }

  listen(listener: StreamListener<Request>): void {
    this.#listener = listener;
  }

  pause(paused: boolean): void {
    this.#arrival.call.pause(paused);
  }

  send(message: Response): boolean {
    return this.sendEncoded([this.#types.responseType.encode(message).finish()]);
  }

  sendEncoded(message: Parts): boolean {
    if (this.#isOver) return true;
    const length = lengthOf(message);
    this.#unsentBytes += length;
    this.#arrival.call.send(message, () => {
      this.#unsentBytes -= length;
      if (this.#unsentBytes < aheadBytes) this.#drained();
    });
    return this.#unsentBytes < aheadBytes;
  }

  whenDrained(callback: () => void): void {
    this.#whenDrained = callback;
  }

  end(trailers: CallMetadata = {}): void {
    if (this.#finish({ code: GrpcCode.OK }))
      this.#end({ code: GrpcCode.OK, message: '', trailers });
  }

  fail(error: unknown): void {
    const { code, details } = errorToStatus(error);
    if (this.#finish({ code, details })) this.#end(endOf(error));
  }

  message(parts: Parts): void {
    if (this.#isOver) return;
    const { requestType, readParts } = this.#types;
    let requests: readonly Request[];
    try {
      requests = readParts?.(parts) ?? [decodeExactly(requestType, joined(parts))];
    } catch (error) {
      this.#cut(badField('request', messageOf(error)));
      return;
    }
    for (const request of requests) this.#tell(request);
  }

  #tell(request: Request): void {
    if (!this.#isOver) this.#listener?.message(request);
  }

  halfClosed(): void {
    this.#transfer.clear();
    if (!this.#isOver) this.#listener?.halfClosed();
  }

  gone(reason: EndReason | 'cancelled'): void {
    const code = reason === 'limit' ? GrpcCode.RESOURCE_EXHAUSTED : GrpcCode.CANCELLED;
    this.#clearTimers();
    if (this.#finish({ code })) this.#listener?.cancelled();
  }

  /** The deadline holds until the client has been sent all of it: what it does not take must not stay. */
  #end(end: CallEnd): void {
    this.#arrival.call.end(end, () => {
      this.#clearTimers();
    });
  }

  #clearTimers(): void {
    this.#deadline.clear();
    this.#transfer.clear();
  }

  #drained(): void {
    const callback = this.#whenDrained;
    this.#whenDrained = undefined;
    callback?.();
  }

  /** Fails it whatever it is at, and ends what it does. */
  #cut(error: unknown): void {
    if (this.#isOver) return;
    this.fail(error);
    this.#listener?.cancelled();
  }

  /** Only its first end counts. */
  #finish(status: Omit<CallStatus, 'message'>): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    if (this.#open !== undefined) this.#arrival.calls.end(this.#open, status);
    return true;
  }

  #setDeadline(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined || timeoutMs > maxTimerMs) return;
    this.#deadline.set(timeoutMs, () => {
      this.#late('the deadline of the call has passed');
    });
  }

  #late(text: string): void {
    const late = new SandboxError('ERR_REQUEST_TIMEOUT', text);
    this.#cut(late);
    this.#arrival.call.cut(endOf(late));
  }
}

/** How a call ends that has failed. */
function endOf(error: unknown): CallEnd {
  const { code, message, details } = errorToStatus(error);
  return { code, message, trailers: { [statusDetailsKey]: details } };
}
