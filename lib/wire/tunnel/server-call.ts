import type { Parts } from '../../process/bytes.js';
import { End, Headers } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { Call, exhausted, type CallEnd, type CallHost } from './call.js';
import type { CallOpening } from './client-call.js';
import { TunnelViolation, type EndReason } from './end-reason.js';
import type { Incoming } from './incoming.js';
import { metadataEntries, type TunnelMetadata } from './metadata.js';
import type { ControlBody, FrameBody } from './packets.js';

/** Who is told of a call that came; of nothing after `gone` and after the call was ended here. Nothing of it may throw. */
export interface ServedCallObserver {
  message(message: Parts): void;
  /** The client sends nothing more. */
  halfClosed(): void;
  /** Nobody waits for it any more: the client gave it up, or is not there. Comes also while it is paused. */
  gone(reason: EndReason | 'cancelled'): void;
}

/** What its server does with a call. */
export interface ServedCall {
  /** Sends what comes before the messages. */
  headers(metadata: TunnelMetadata): void;
  /**
   * Sends a message that is the parts, one after another; they must not be changed any more. `accepted` is called when it is
   * a turn to send more.
   */
  send(parts: Parts, accepted?: () => void): void;
  /** Ends it, after all that was sent; `left` is called when nothing of it waits here any more. */
  end(end: CallEnd, left?: () => void): void;
  /** Ends it in place of all that has not been sent, its end too. */
  cut(end: CallEnd): void;
  /** Stops being told messages, or goes on: the client is stopped by its credit. */
  pause(paused: boolean): void;
}

/** Takes a call that came. */
export type ServeCall = (call: ServedCall, opening: CallOpening) => ServedCallObserver;

/** The longest message of an end whose details are too large to be sent. */
const shortMessage = 256;

/** The server's end of a call. */
export class ServerCall extends Call implements ServedCall {
  #observer: ServedCallObserver | undefined;
  #left: (() => void) | undefined;
  #isReleased = false;

  serve(id: number, host: CallHost): this {
    this.begin(id, host);
    return this;
  }

  /** From now on it is told what comes. */
  observe(observer: ServedCallObserver): void {
    this.#observer = observer;
  }

  headers(metadata: TunnelMetadata): void {
    if (this.isClosing) return;
    const body = Headers.encode({ metadata: metadataEntries(metadata) }).finish();
    if (this.takesMetadata(body))
      this.queue({ kind: 'headers', parts: [body], length: body.length });
    else this.failed('the metadata is larger than the client takes');
  }

  end(end: CallEnd, left?: () => void): void {
    if (this.isClosing) return;
    this.#left = left;
    this.finish();
    this.close('end', this.#encoded(end), true);
  }

  cut(end: CallEnd): void {
    if (this.#isReleased) return;
    this.finish();
    this.close('end', this.#encoded(end), false);
  }

  override receive(body: FrameBody): void {
    if (body.$case !== 'cancel') {
      super.receive(body);
      return;
    }
    this.release();
    if (this.finish()) this.#observer?.gone('cancelled');
  }

  lost(reason: EndReason): void {
    this.release();
    if (this.finish()) this.#observer?.gone(reason);
  }

  protected override release(): void {
    super.release();
    this.#isReleased = true;
    this.#left?.();
    this.#left = undefined;
  }

  protected override failed(text: string): void {
    if (this.isOver) return;
    this.end(exhausted(text));
    this.#observer?.gone('limit');
  }

  protected override message(message: Parts): void {
    this.#observer?.message(message);
  }

  protected override step(body: ControlBody, incoming: Incoming): void {
    if (body.$case !== 'halfClose')
      throw new TunnelViolation('stream', `a client sends no ${body.$case}`);
    incoming.finish(() => this.#observer?.halfClosed());
  }

  #encoded(end: CallEnd): Uint8Array {
    const whole = encoded(end);
    if (this.takesMetadata(whole)) return whole;
    return encoded({ ...end, message: end.message.slice(0, shortMessage), trailers: {} });
  }
}

function encoded({ code, message, trailers }: CallEnd): Uint8Array {
  return End.encode({ code, message, trailers: metadataEntries(trailers) }).finish();
}
