import type { Frame } from '../generated/sandboxrx/tunnel/v1/tunnel.js';

/** What a frame can be. */
export type FrameKind = NonNullable<Frame['body']>['$case'];

/** The fields of a packet and of a frame, as in tunnel.proto; the generated encoder would copy a payload three times. */
const packetField = { seq: 1, ack: 2, frames: 3 } as const;
const streamField = 1;
const frameField: Readonly<Record<FrameKind, number>> = {
  ...{ open: 2, headers: 3, chunk: 4, message: 5, halfClose: 6, end: 7, cancel: 8 },
};

const bytesWireType = 2;
/** Tag, length, stream, tag and length again, each as long as it can be. */
const frameOverhead = 1 + 5 + 6 + 1 + 5;
/** The same of seq and ack. */
const headerBytes = 2 * (1 + 8);

/**
 * Makes packets. A payload is copied once, into the one allocation of its packet, which is then both sent and kept until
 * it is acknowledged; only what shares a packet with little else is copied twice, so that a small packet keeps little.
 */
export class PacketWriter {
  readonly #capacity: number;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #at = 0;
  #frames = 0;

  /** `maxFrameBytes`: the bytes of all payloads in one packet. */
  constructor(maxFrameBytes: number) {
    this.#capacity = maxFrameBytes + frameOverhead + headerBytes;
  }

  /** Whether a frame with as many bytes of payload goes into this packet. */
  fits(length: number): boolean {
    return this.#frames === 0 || this.#at + frameOverhead + length <= this.#capacity;
  }

  get isEmpty(): boolean {
    return this.#frames === 0;
  }

  begin(seq: number, ack: number): void {
    this.#at = 0;
    this.#frames = 0;
    this.#number(packetField.seq, seq);
    this.#number(packetField.ack, ack);
  }

  /** Begins a frame; its payload follows by {@link append}. */
  frame(stream: number, kind: FrameKind, length: number): void {
    this.#frames += 1;
    const inner = 2 + sizeOf(stream) + sizeOf(length) + length;
    this.#varint((packetField.frames << 3) | bytesWireType);
    this.#varint(inner);
    this.#number(streamField, stream);
    this.#varint((frameField[kind] << 3) | bytesWireType);
    this.#varint(length);
  }

  append(payload: Uint8Array): void {
    this.#target().set(payload, this.#at);
    this.#at += payload.length;
  }

  finish(): Uint8Array {
    const buffer = this.#target();
    if (this.#at * 2 < this.#capacity) return buffer.slice(0, this.#at);
    this.#buffer = undefined;
    return buffer.subarray(0, this.#at);
  }

  #number(field: number, value: number): void {
    this.#varint(field << 3);
    this.#varint(value);
  }

  /** Up to 2^53: shifts know 32 bits only. */
  #varint(value: number): void {
    const buffer = this.#target();
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) buffer[this.#at++] = (rest % 128) | 0x80;
    buffer[this.#at++] = rest;
  }

  #target(): Uint8Array<ArrayBuffer> {
    return (this.#buffer ??= new Uint8Array(this.#capacity));
  }
}

function sizeOf(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size += 1;
  return size;
}
