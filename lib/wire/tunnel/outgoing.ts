import type { Parts } from '../../process/bytes.js';
import type { FrameKind } from './packet-tags.js';
import type { PacketWriter } from './packet-writer.js';
import { Queue } from '../../process/queue.js';
import { frameCost } from './limits.js';

/** One thing to send on a stream. */
export interface Item {
  readonly kind: FrameKind;
  readonly parts: Parts;
  /** Of all parts. */
  readonly length: number;
  /** All of it is in packets. */
  readonly taken?: (() => void) | undefined;
}

/** What a stream has to send, in order: messages as credit allows, the rest when its turn comes. */
export class Outgoing {
  readonly #items: Queue<Item> = new Queue();
  #granted = 0;
  #offset = 0;
  #maxFrameBytes = Infinity;
  /** Of the first item: bytes that are in packets, the part that is next, and where in it. */
  #written = 0;
  #part = 0;
  #partOffset = 0;

  /** What the other end takes. */
  begin(windowBytes: number, maxFrameBytes: number): void {
    this.#granted = windowBytes;
    this.#maxFrameBytes = maxFrameBytes;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** More credit; an offset that came late grants nothing. */
  grant(offset: number): void {
    this.#granted = Math.max(this.#granted, offset);
  }

  clear(): void {
    this.#items.clear();
    this.#toNext();
  }

  /** The payload of the next frame, where there is one and it may be sent. */
  nextLength(): number | undefined {
    const item = this.#items.at(0);
    if (item?.kind !== 'message') return item?.length;
    const rest = item.length - this.#written;
    const credit = this.#granted - this.#offset - frameCost;
    if (credit < 0 || (credit === 0 && rest > 0)) return undefined;
    return Math.min(rest, credit, this.#maxFrameBytes);
  }

  /** Writes the next frame. */
  write(stream: number, writer: PacketWriter): void {
    const item = this.#items.at(0);
    const length = this.nextLength();
    if (item === undefined || length === undefined) return;
    const isWhole = this.#written + length === item.length;
    writer.frame(stream, isWhole ? item.kind : 'chunk', length);
    this.#copy(item.parts, length, writer);
    if (item.kind === 'message') this.#offset += length + frameCost;
    if (!isWhole) return;
    this.#items.shift();
    this.#toNext();
    item.taken?.();
  }

  #copy(parts: Parts, length: number, writer: PacketWriter): void {
    this.#written += length;
    for (let left = length; left > 0;) {
      const part = parts[this.#part] ?? empty;
      const end = Math.min(part.length, this.#partOffset + left);
      left -= end - this.#partOffset;
      const isWhole = this.#partOffset === 0 && end === part.length;
      writer.append(isWhole ? part : part.subarray(this.#partOffset, end));
      this.#partOffset = end;
      if (end < part.length) return;
      this.#part += 1;
      this.#partOffset = 0;
    }
  }

  #toNext(): void {
    this.#written = 0;
    this.#part = 0;
    this.#partOffset = 0;
  }
}

const empty: Uint8Array = new Uint8Array(0);
