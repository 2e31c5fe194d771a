import { Cancel, HalfClose, Open, type Limits } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import type { Parts } from '../../process/bytes.js';
import { Link } from '../../process/linked-list.js';
import { Call, exhausted, type CallEnd, type CallHost } from './call.js';
import { TunnelViolation, type EndReason } from './end-reason.js';
import type { Incoming } from './incoming.js';
import { metadataEntries, type TunnelMetadata } from './metadata.js';
import type { ControlBody } from './packets.js';
import type { PacketWriter } from './packet-writer.js';

/** What a call begins with. */
export interface CallOpening {
  /** As in gRPC's `:path`: `/package.Service/Method`. */
  readonly method: string;
  readonly metadata: TunnelMetadata;
  /** What the server is told of the time that the call may take, in milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
}

/**
 * Who is told of a call, of nothing after `end` or `lost`, and of nothing but `lost` while it is paused. Nothing of it may
 * throw.
 */
export interface CallObserver {
  /** What comes before the messages. */
  opened(metadata: TunnelMetadata): void;
  message(message: Parts): void;
  /** All messages have been told, and this is how the server ended it; or this end did, which code 8 says. */
  end(end: CallEnd): void;
  /** How it ended cannot be known. `wasSent`: the server may have got it; else it can be made again. */
  lost(reason: EndReason, wasSent: boolean): void;
}

/** What its caller does with a call. */
export interface OpenCall {
  /**
   * Sends a message that is the parts, one after another; they must not be changed any more. `accepted` is called when it is
   * a turn to send more.
   */
  send(parts: Parts, accepted?: () => void): void;
  /** Nothing more will be sent. */
  halfClose(): void;
  /** Stops being told messages, or goes on: the server is stopped by its credit. */
  pause(paused: boolean): void;
  /** Gives it up. The observer is told nothing more. */
  cancel(): void;
}

/** The client's end of a call. */
export class ClientCall extends Call implements OpenCall {
  /** Its place among those that have not been sent. */
  readonly waiting: Link<ClientCall> = new Link(this);
  readonly #observer: CallObserver;
  readonly #open: Uint8Array;
  readonly #dropped: (call: ClientCall) => void;

  /** `dropped` is told when it is given up before it was sent. */
  constructor(
    { method, metadata, timeoutMs = 0 }: CallOpening,
    observer: CallObserver,
    dropped: (call: ClientCall) => void,
  ) {
    super();
    this.#observer = observer;
    this.#dropped = dropped;
    const entries = metadataEntries(metadata);
    this.#open = Open.encode({ method, metadata: entries, timeoutMs }).finish();
  }

  /** The payload of its first frame. */
  get openLength(): number {
    return this.#open.length;
  }

  /** Ends it where the other end would not take it. */
  isRefused(peer: Limits): boolean {
    const isLarge = this.openLength > peer.maxMetadataBytes;
    if (isLarge || this.tooLarge(peer))
      this.failed('the metadata or a message is larger than the server takes');
    return this.isOver;
  }

  /** Writes its first frame: from now on it may have reached the server. */
  open(id: number, host: CallHost, writer: PacketWriter): void {
    writer.frame(id, 'open', this.#open.length);
    writer.append(this.#open);
    this.begin(id, host);
  }

  halfClose(): void {
    if (!this.isClosing) this.close('halfClose', HalfClose.encode({}).finish(), true);
  }

  cancel(): void {
    if (!this.finish()) return;
    if (this.id === 0) this.#dropped(this);
    else this.close('cancel', Cancel.encode({}).finish(), false);
  }

  lost(reason: EndReason, mayHaveBegun: boolean): void {
    if (!this.finish()) return;
    this.release();
    this.#observer.lost(reason, mayHaveBegun && this.id !== 0);
  }

  protected override failed(text: string): void {
    if (this.isOver) return;
    this.cancel();
    this.#observer.end(exhausted(text));
  }

  protected override message(message: Parts): void {
    this.#observer.message(message);
  }

  protected override step(body: ControlBody, incoming: Incoming): void {
    if (body.$case === 'headers') {
      this.#observer.opened(this.metadata(body.value.metadata));
      return;
    }
    if (body.$case !== 'end')
      throw new TunnelViolation('stream', `a server sends no ${body.$case}`);
    const { code, message, trailers } = body.value;
    const end = { code, message, trailers: this.metadata(trailers) };
    this.release();
    incoming.finish(() => {
      if (this.finish()) this.#observer.end(end);
    });
  }
}
