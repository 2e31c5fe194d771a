import type { Parts } from '../../process/bytes.js';
import { LinkedList } from '../../process/linked-list.js';
import { LiveMap } from '../../process/live-map.js';
import type { Limits, Packet } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { Acknowledging } from './acknowledging.js';
import type { Call, CallHost } from './call.js';
import { Timer, type Clock } from './clock.js';
import { TunnelViolation, type EndReason } from './end-reason.js';
import { Budget, type TunnelLimits } from './limits.js';
import { Outbox } from './outbox.js';
import { PacketWriter } from './packet-writer.js';
import { controlPacket, exact, type ReadFrame, type ReadPacket } from './packets.js';
import { Rotation, type Sender } from './rotation.js';

/** The connection over which a session goes at present. */
export interface Link {
  readonly roundTripMs: number | undefined;
  /** There may be something to send. */
  wake(): void;
  /** Says why, and closes. */
  close(reason: EndReason, message: string): void;
}

/** What is different at both ends. */
export interface SessionRole {
  /** A frame that begins a call. */
  opened(stream: number, frame: ReadFrame): void;
  /** The other end begins no more calls. */
  wentAway(lastStream: number): void;
  /** A stream is free. */
  freed(): void;
  /** No call is open, and all that was sent has come. */
  settled(): void;
  /** It is over; its calls have been told. */
  ended(reason: EndReason): void;
}

/** What a session is made of. */
export interface SessionOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly limits: TunnelLimits;
  readonly peer: Limits;
  /** How long it waits for another connection. */
  readonly graceMs: number;
}

/** Credits in one packet: as many fit into the smallest that every end takes. */
const creditsInPacket = 1000;
/** So long a credit may wait for those of other streams, as long as its own has some left. */
const creditDelayMs = 1;
/** An acknowledgement goes out at once when as much has come of what the other end keeps. */
const acknowledgedShare = 1 / 4;

/** The calls of two ends, and what has to be sent for them, over one connection after another. */
export class Session implements CallHost {
  readonly id: string;
  readonly limits: TunnelLimits;
  readonly peer: Limits;
  readonly growth: Budget;
  readonly assembly: Budget;
  readonly #options: SessionOptions;
  readonly #role: SessionRole;
  readonly #outbox: Outbox;
  readonly #acknowledging: Acknowledging;
  readonly #rotation: Rotation = new Rotation();
  readonly #writer: PacketWriter;
  readonly #grace: Timer;
  readonly #calls: LiveMap<number, Call> = new LiveMap();
  readonly #credits: LinkedList<Call> = new LinkedList();
  readonly #creditDelay: Timer;
  #isCreditDue = false;
  #lastStream = 0;
  #link: Link | undefined;
  #ended = false;
  /** The last stream that is told in a GoAway, and whether that is to be sent. */
  #goAway: { readonly lastStream: number; isDue: boolean } | undefined;

  constructor(options: SessionOptions, role: SessionRole) {
    const { id, clock, limits, peer } = options;
    this.id = id;
    this.limits = limits;
    this.peer = { ...peer, maxFrameBytes: Math.min(peer.maxFrameBytes, limits.maxFrameBytes) };
    this.#options = options;
    this.#role = role;
    this.growth = new Budget(limits.maxGrowthBytes);
    this.assembly = new Budget(limits.maxAssemblyBytes);
    this.#outbox = new Outbox(limits.maxUnackedBytes);
    this.#writer = new PacketWriter(this.peer.maxFrameBytes);
    this.#grace = new Timer(clock.scheduler);
    this.#creditDelay = new Timer(clock.scheduler);
    this.#acknowledging = new Acknowledging({
      clock,
      delayMs: limits.ackDelayMs,
      bytes: peer.maxUnackedBytes * acknowledgedShare,
      due: () => this.#link?.wake(),
    });
  }

  /** The last packet of the other end that came. */
  get received(): number {
    return this.#acknowledging.received;
  }

  /** Packets that are known to have come, to either end. */
  get carried(): number {
    return this.received + this.#outbox.acknowledged;
  }

  /** Calls that are open. */
  get openCalls(): number {
    return this.#calls.size;
  }

  /** Bytes that are kept until they are acknowledged. */
  get unackedBytes(): number {
    return this.#outbox.bytes;
  }

  /** The last stream that was opened. */
  get lastStream(): number {
    return this.#lastStream;
  }

  /** No call is open, and all that was sent has come. */
  get isSettled(): boolean {
    return this.#calls.size === 0 && this.#outbox.bytes === 0;
  }

  /** It has no connection, and nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#link === undefined && this.#calls.size === 0;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  get roundTripMs(): number | undefined {
    return this.#link?.roundTripMs;
  }

  now(): number {
    return this.#options.clock.scheduler.now();
  }

  /** Goes on over a connection whose other end has received all up to `received`. */
  attach(link: Link, received: number): void {
    this.#outbox.rewind(received);
    const old = this.#link;
    this.#link = link;
    this.#grace.clear();
    for (const call of this.#calls.values())
      if (call.toldCredit !== undefined) this.#credits.add(call.credit);
    this.#isCreditDue = true;
    if (this.#goAway !== undefined) this.#goAway.isDue = true;
    old?.close('superseded', 'the session goes on over another connection');
    link.wake();
  }

  /** The connection is lost. */
  detach(link: Link): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#grace.set(this.#options.graceMs, () => {
      this.end('expired', 'the connection did not come back in time');
    });
  }

  /** A packet came over the connection. */
  receive(packet: ReadPacket, bytes: number): void {
    const kept = this.#outbox.bytes;
    this.#outbox.acknowledge(exact(packet.ack));
    // What waited for room may go. Calls that have something to send, and credit, say so themselves.
    if (this.#outbox.bytes < kept) this.#link?.wake();
    if (packet.seq > 0n) this.#acknowledging.receive(exact(packet.seq), bytes);
    else if (packet.frames.length > 0)
      throw new TunnelViolation('malformed', 'frames came in a packet that is not counted');
    for (const frame of packet.frames) this.#frame(frame);
    for (const { stream, offset } of packet.credits) this.#known(stream)?.grant(exact(offset));
    if (packet.goAway !== undefined) this.#role.wentAway(packet.goAway.lastStream);
    if (this.isSettled) this.#role.settled();
  }

  /** The next packet to send. */
  next(): Parts | undefined {
    if (this.#ended) return undefined;
    return this.#outbox.next() ?? this.#control() ?? this.#filled();
  }

  wake(sender: Sender): void {
    this.#rotation.add(sender);
    this.#link?.wake();
  }

  creditDue(call: Call, isUrgent: boolean): void {
    this.#credits.add(call.credit);
    if (isUrgent) this.#giveCredit();
    else if (!this.#creditDelay.isSet)
      this.#creditDelay.set(creditDelayMs, () => {
        this.#giveCredit();
      });
  }

  add(stream: number, call: Call): void {
    this.#lastStream = stream;
    this.#calls.set(stream, call);
  }

  /** A stream whose call was not begun; what still comes for it is passed over. */
  skip(stream: number): void {
    this.#lastStream = stream;
  }

  forget(call: Call): void {
    this.#credits.delete(call.credit);
    this.#rotation.delete(call);
    if (this.#calls.delete(call.id)) this.#role.freed();
  }

  /** The other end did not begin the calls beyond a stream. */
  refuseAfter(stream: number, reason: EndReason): void {
    for (const call of this.#calls.values()) if (call.id > stream) call.lost(reason, false);
  }

  /** Tells the other end that no more calls are begun. */
  goAway(): void {
    this.#goAway ??= { lastStream: this.#lastStream, isDue: true };
    this.#link?.wake();
  }

  /** Ends it for good, and all calls with it. */
  end(reason: EndReason, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#grace.clear();
    this.#creditDelay.clear();
    this.#acknowledging.stop();
    const link = this.#link;
    this.#link = undefined;
    link?.close(reason, message);
    const calls = this.#calls.values();
    this.#calls.clear();
    for (const call of calls) call.lost(reason, true);
    this.#role.ended(reason);
  }

  #frame(frame: ReadFrame): void {
    const { stream, body } = frame;
    if (this.#ended) return;
    if (body.$case === 'open') this.#role.opened(stream, frame);
    else this.#known(stream)?.receive(body);
  }

  /** The call of a stream; none where it is over. */
  #known(stream: number): Call | undefined {
    if (stream === 0 || stream > this.#lastStream)
      throw new TunnelViolation('stream', `stream ${stream} was not opened`);
    return this.#calls.get(stream);
  }

  #giveCredit(): void {
    if (this.#credits.size === 0) return;
    this.#isCreditDue = true;
    this.#link?.wake();
  }

  #control(): Parts | undefined {
    const isGoing = this.#goAway?.isDue === true;
    const hasCredits = this.#isCreditDue && this.#credits.size > 0;
    if (!this.#acknowledging.isDue && !hasCredits && !isGoing) return undefined;
    const credits = this.#takeCredits();
    const goAway = isGoing ? { lastStream: this.#goAway?.lastStream ?? 0 } : undefined;
    if (this.#goAway !== undefined) this.#goAway.isDue = false;
    return controlPacket({ ack: BigInt(this.#acknowledging.take()), credits, goAway });
  }

  #takeCredits(): Packet['credits'] {
    const credits: Packet['credits'] = [];
    for (let taken = 0; taken < creditsInPacket; taken++) {
      const call = this.#credits.shift();
      if (call === undefined) break;
      const offset = call.takeCredit();
      if (offset !== undefined) credits.push({ stream: call.id, offset: BigInt(offset) });
    }
    this.#isCreditDue = this.#credits.size > 0;
    return credits;
  }

  #filled(): Parts | undefined {
    if (!this.#outbox.hasRoom) return undefined;
    this.#writer.begin(this.#outbox.nextSeq, this.#acknowledging.received);
    this.#rotation.fill(this.#writer);
    if (this.#writer.isEmpty) return undefined;
    this.#acknowledging.take();
    this.#outbox.add(this.#writer.finish());
    return this.#outbox.next();
  }
}
