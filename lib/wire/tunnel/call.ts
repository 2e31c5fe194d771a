import { lengthOf, type Parts } from '../../process/bytes.js';
import { Link } from '../../process/linked-list.js';
import type { Limits, Metadata } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { GrpcCode } from '../grpc-code.js';
import { TunnelViolation, type EndReason } from './end-reason.js';
import { Incoming, type Receiving } from './incoming.js';
import { metadataOf, type TunnelMetadata } from './metadata.js';
import { Outgoing, type Item } from './outgoing.js';
import type { FrameKind } from './packet-tags.js';
import type { PacketWriter } from './packet-writer.js';
import type { ControlBody, FrameBody } from './packets.js';
import type { Sender } from './rotation.js';

/** How a call ended: what the server said. */
export interface CallEnd {
  /** As in `grpc-status`. 0 is success. */
  readonly code: number;
  readonly message: string;
  readonly trailers: TunnelMetadata;
}

/** What a session does for its calls. */
export interface CallHost extends Receiving {
  /** What the other end takes. */
  readonly peer: Limits;
  /** The call may have something to send. */
  wake(call: Sender): void;
  /** The call has credit to give. */
  creditDue(call: Call, isUrgent: boolean): void;
  /** The call is over: its stream is free. */
  forget(call: Call): void;
}

/** What both ends of a call have in common. */
export abstract class Call implements Sender {
  readonly turn: Link<Sender> = new Link(this);
  /** Its place among those that have credit to give. */
  readonly credit: Link<Call> = new Link(this);
  /** 0: it has not been sent. */
  #id = 0;
  #host: CallHost | undefined;
  #incoming: Incoming | undefined;
  readonly #outgoing: Outgoing = new Outgoing();
  #largest = 0;
  #isPaused = false;
  #isOver = false;
  /** Nothing may follow on this end. */
  #isClosing = false;

  get id(): number {
    return this.#id;
  }

  /** Whoever uses it is told nothing more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Credit that the other end may not have heard of. */
  get toldCredit(): number | undefined {
    return this.#isOver ? undefined : this.#incoming?.told;
  }

  /**
   * Sends a message that is the parts, one after another; they must not be changed any more. `accepted` is called when it is
   * a turn to send more. What is sent after the end is dropped.
   */
  send(parts: Parts, accepted?: () => void): void {
    if (this.isClosing) return;
    const length = lengthOf(parts);
    this.#largest = Math.max(this.#largest, length);
    if (this.#host !== undefined && this.tooLarge(this.#host.peer)) {
      this.failed('a message is larger than the other end takes');
      return;
    }
    this.queue({ kind: 'message', parts, length, taken: accepted });
  }

  /** Stops being told messages, or goes on: the other end is stopped by its credit. */
  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (!this.#isOver) this.#incoming?.pause(paused);
  }

  nextLength(): number | undefined {
    return this.#outgoing.nextLength();
  }

  write(writer: PacketWriter): void {
    this.#outgoing.write(this.#id, writer);
  }

  grant(offset: number): void {
    this.#outgoing.grant(offset);
    this.#host?.wake(this);
  }

  takeCredit(): number | undefined {
    return this.#isOver ? undefined : this.#incoming?.takeCredit();
  }

  /** A frame of the other end. */
  receive(body: FrameBody): void {
    if (this.#isOver) return;
    const incoming = this.#incoming;
    if (incoming === undefined || incoming.isFinished)
      throw new TunnelViolation('stream', `a ${body.$case} came after the end of its stream`);
    if (body.$case === 'chunk') incoming.chunk(body.value);
    else if (body.$case === 'message') incoming.message(body.value);
    else this.step(body, incoming);
  }

  /** The other end's word will not come. `mayHaveBegun`: the server has not said that it did not begin the call. */
  abstract lost(reason: EndReason, mayHaveBegun: boolean): void;
  /** It cannot go on, by this end's own doing. */
  protected abstract failed(text: string): void;
  protected abstract message(message: Parts): void;
  /** Any frame but a message. */
  protected abstract step(body: ControlBody, incoming: Incoming): void;

  protected begin(id: number, host: CallHost): void {
    this.#id = id;
    this.#host = host;
    this.#outgoing.begin(host.peer.windowBytes, host.peer.maxFrameBytes);
    this.#incoming = new Incoming(host, {
      message: (message) => {
        this.message(message);
      },
      creditDue: (isUrgent) => {
        host.creditDue(this, isUrgent);
      },
      overflow: () => {
        this.failed('there is no room for a message as large as this');
      },
    });
    this.#incoming.pause(this.#isPaused);
    if (this.nextLength() !== undefined) host.wake(this);
  }

  protected metadata(entries: readonly Metadata[]): TunnelMetadata {
    return metadataOf(entries, this.#host?.limits.maxMetadataBytes ?? 0);
  }

  /** Whether the other end takes what goes beside messages, encoded. */
  protected takesMetadata(body: Uint8Array): boolean {
    return body.length <= (this.#host?.peer.maxMetadataBytes ?? 0);
  }

  protected tooLarge({ maxMessageBytes }: Limits): boolean {
    return this.#largest > maxMessageBytes;
  }

  protected queue(item: Item): void {
    this.#outgoing.push(item);
    this.#host?.wake(this);
  }

  protected get isClosing(): boolean {
    return this.#isClosing || this.#isOver;
  }

  /** The last frame of this end: `messagesFirst`, or in place of all that has not been sent. */
  protected close(kind: FrameKind, body: Uint8Array, messagesFirst: boolean): void {
    this.#isClosing = true;
    if (!messagesFirst) this.#outgoing.clear();
    const taken = (): void => {
      this.closed();
    };
    this.queue({ kind, parts: [body], length: body.length, taken });
  }

  /** The last frame of this end is in a packet. */
  protected closed(): void {
    if (this.#isOver) this.release();
  }

  /** `true` the first time. */
  protected finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#incoming?.dispose();
    return true;
  }

  /** The other end has said, or will know, that it is over. */
  protected release(): void {
    this.#outgoing.clear();
    this.#host?.forget(this);
  }
}

/** How a call ends that asks for more than there is. */
export function exhausted(message: string): CallEnd {
  return { code: GrpcCode.RESOURCE_EXHAUSTED, message, trailers: {} };
}
