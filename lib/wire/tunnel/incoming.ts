import { lengthOf, type Parts } from '../../process/bytes.js';
import { TunnelViolation } from './end-reason.js';
import { frameCost, type Budget, type TunnelLimits } from './limits.js';
import { Queue } from '../../process/queue.js';

/** What the receiving sides of all streams of a session share. */
export interface Receiving {
  readonly limits: TunnelLimits;
  /** What windows may still grow by. */
  readonly growth: Budget;
  /** What messages that are longer than their window may still take. */
  readonly assembly: Budget;
  now(): number;
  /** The shortest time that a ping took to be answered; `undefined` as long as none was. */
  readonly roundTripMs: number | undefined;
}

/** Whom a receiving side tells. */
export interface IncomingObserver {
  message(message: Parts): void;
  /** There is credit to give; `isUrgent`: before the other end has none left. */
  creditDue(isUrgent: boolean): void;
  /** A message is longer than there is room for. */
  overflow(): void;
}

/** Where half a window is read in less, credits would take a good part of the time, however short the path. */
const soonestMs = 2;

/** A message that waits, or parts of one that is not whole. */
interface Held {
  readonly parts: Parts;
  /** What it took of the credit. */
  readonly cost: number;
}

/**
 * The receiving side of a stream: makes messages of their parts, holds them while it is paused, and gives credit for what
 * was delivered. It holds no more than its window, but for one message that is longer.
 */
export class Incoming {
  readonly #shared: Receiving;
  readonly #observer: IncomingObserver;
  readonly #ready: Queue<Held> = new Queue();
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #partCost = 0;
  #window: number;
  /** Offsets in the stream: what came, what was delivered, what the other end was told that it may send. */
  #received = 0;
  #delivered = 0;
  #granted: number;
  /** Credit for parts of the first message, which cannot be delivered before the rest has come. */
  #ahead = 0;
  #grantedAt: number | undefined;
  #paused = false;
  #isDelivering = false;
  #last: (() => void) | undefined;
  #isFinished = false;

  constructor(shared: Receiving, observer: IncomingObserver) {
    this.#shared = shared;
    this.#observer = observer;
    this.#window = shared.limits.windowBytes;
    this.#granted = this.#window;
  }

  /** Nothing may come any more. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** A part of a message. */
  chunk(parts: Parts): void {
    const length = lengthOf(parts);
    if (length === 0) throw new TunnelViolation('malformed', 'a part of a message is empty');
    this.#count(length);
    this.#partCost += length + frameCost;
    for (const part of parts) this.#parts.push(ownIfSmall(part));
    this.#makeRoom();
  }

  /** A message, or the rest of one. */
  message(rest: Parts): void {
    const length = lengthOf(rest);
    this.#count(length);
    const whole = this.#parts.length === 0 ? rest : [...this.#parts, ...rest];
    const cost = this.#partCost + length + frameCost;
    this.#parts = [];
    this.#partBytes = 0;
    this.#partCost = 0;
    this.#ready.push({ parts: this.#paused ? whole.map(ownIfSmall) : whole, cost });
    this.#deliver();
  }

  /** No more will come; `end` is called when all has been delivered. */
  finish(end: () => void): void {
    this.#isFinished = true;
    this.#last = end;
    this.#deliver();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#deliver();
  }

  /** The offset to tell the other end; the window grows where its reader waits for credit to take effect. */
  takeCredit(): number {
    const now = this.#shared.now();
    const soonMs = Math.max(2 * (this.#shared.roundTripMs ?? 0), soonestMs);
    if (this.#grantedAt !== undefined && now - this.#grantedAt < soonMs) this.#grow();
    this.#grantedAt = now;
    this.#granted = this.#wanted;
    return this.#granted;
  }

  /** The last offset that was told, where it was told and another end may have missed it. */
  get told(): number | undefined {
    return this.#granted > this.#shared.limits.windowBytes ? this.#granted : undefined;
  }

  /** Nothing more is delivered, and nothing held. */
  dispose(): void {
    this.#last = undefined;
    this.#parts = [];
    this.#ready.clear();
    this.#release();
    this.#shared.growth.give(this.#window - this.#shared.limits.windowBytes);
    this.#window = this.#shared.limits.windowBytes;
  }

  get #wanted(): number {
    return this.#delivered + this.#ahead + this.#window;
  }

  #count(length: number): void {
    this.#received += length + frameCost;
    this.#partBytes += length;
    if (this.#received > this.#granted)
      throw new TunnelViolation('flow-control', 'more was sent than there was credit for');
    if (this.#partBytes > this.#shared.limits.maxMessageBytes)
      throw new TunnelViolation('limit', 'a message is too large');
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    while (!this.#paused && this.#ready.length > 0) this.#deliverNext();
    this.#isDelivering = false;
    if (this.#paused || this.#last === undefined) return;
    const last = this.#last;
    this.dispose();
    last();
  }

  #deliverNext(): void {
    const held = this.#ready.shift();
    this.#delivered += held.cost;
    this.#release();
    this.#makeRoom();
    this.#observer.message(held.parts);
  }

  /** Credit for a long message before it is whole, if it is the next one: else it would wait for itself. */
  #makeRoom(): void {
    if (this.#ready.length === 0 && this.#partCost * 4 >= this.#window) {
      if (!this.#shared.assembly.take(this.#partCost - this.#ahead)) {
        this.#observer.overflow();
        return;
      }
      this.#ahead = this.#partCost;
    }
    if (this.#wanted - this.#granted >= this.#window / 2)
      this.#observer.creditDue(this.#granted - this.#received <= this.#window / 4);
  }

  #release(): void {
    this.#shared.assembly.give(this.#ahead);
    this.#ahead = 0;
  }

  #grow(): void {
    if (this.#window * 2 > this.#shared.limits.maxWindowBytes) return;
    if (this.#shared.growth.take(this.#window)) this.#window *= 2;
  }
}

/** A small view of a large packet would keep all of it. */
function ownIfSmall(bytes: Uint8Array): Uint8Array {
  // Not by `slice`, which is a view again where this is a Buffer.
  return bytes.length * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
