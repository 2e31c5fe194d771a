import { frameTag, packetTag, streamTag, type FrameKind } from './packet-tags.js';
import type { Parts } from '../../process/bytes.js';

/** Tag, length, stream, tag and length again, each as long as it can be. */
const frameOverhead = 1 + 5 + 6 + 1 + 5;
/** The same of seq and ack. */
const headerBytes = 2 * (1 + 8);

/** A payload from as many bytes on becomes a part of its packet as it is; the copy of a smaller one costs less. */
const sharedBytes = 8192;
/** Unless it is so small a part of the memory that it would keep. */
const sharedShare = 1 / 8;

/**
 * Makes packets, which are both sent and kept until they are acknowledged: large payloads as they are, the rest copied.
 */
export class PacketWriter {
  readonly #capacity: number;
  /** Reused by packet after packet: what they keep of it is copied out. */
  readonly #buffer: Uint8Array;
  #at = 0;
  /** Up to here it is in parts. */
  #cutAt = 0;
  #parts: Uint8Array[] = [];
  #sharedLength = 0;
  #frames = 0;

  /** `maxFrameBytes`: the bytes of all payloads in one packet. */
  constructor(maxFrameBytes: number) {
    this.#capacity = maxFrameBytes + frameOverhead + headerBytes;
    this.#buffer = new Uint8Array(this.#capacity);
  }

  /** Whether a frame with as many bytes of payload goes into this packet. */
  fits(length: number): boolean {
    return this.#frames === 0 || this.#size + frameOverhead + length <= this.#capacity;
  }

  get isEmpty(): boolean {
    return this.#frames === 0;
  }

  begin(seq: number, ack: number): void {
    this.#at = 0;
    this.#cutAt = 0;
    this.#parts = [];
    this.#sharedLength = 0;
    this.#frames = 0;
    this.#number(packetTag.seq, seq);
    this.#number(packetTag.ack, ack);
  }

  /** Begins a frame; its payload follows by {@link append}. */
  frame(stream: number, kind: FrameKind, length: number): void {
    this.#frames += 1;
    const inner = 2 + sizeOf(stream) + sizeOf(length) + length;
    this.#varint(packetTag.frames);
    this.#varint(inner);
    this.#number(streamTag, stream);
    this.#varint(frameTag[kind]);
    this.#varint(length);
  }

  /** Its bytes must not be changed any more. */
  append(payload: Uint8Array): void {
    const { length } = payload;
    if (length >= sharedBytes && length >= payload.buffer.byteLength * sharedShare) {
      this.#cut();
      this.#parts.push(payload);
      this.#sharedLength += length;
    } else {
      this.#buffer.set(payload, this.#at);
      this.#at += length;
    }
  }

  finish(): Parts {
    this.#cut();
    return this.#parts;
  }

  get #size(): number {
    return this.#at + this.#sharedLength;
  }

  #cut(): void {
    if (this.#at > this.#cutAt) this.#parts.push(this.#buffer.slice(this.#cutAt, this.#at));
    this.#cutAt = this.#at;
  }

  #number(tag: number, value: number): void {
    this.#varint(tag);
    this.#varint(value);
  }

  /** Up to 2^53: shifts know 32 bits only. */
  #varint(value: number): void {
    const buffer = this.#buffer;
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) buffer[this.#at++] = (rest % 128) | 0x80;
    buffer[this.#at++] = rest;
  }
}

function sizeOf(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size += 1;
  return size;
}
