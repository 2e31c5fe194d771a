import { randomFillSync } from 'node:crypto';
import { lengthOf, type Parts } from '../process/bytes.js';
import { frameHead, keyBytes } from './frame-head.js';
import { copyMasked } from './masking.js';

/** Frames of as much are made in memory that is used again; smaller ones in Node's own, which is shared. */
const pooledBytes = 16_384;
const pooledCapacity = 69_632;
/** As many are kept: more are under way only when the other end is behind. */
const maxFree = 4;

/**
 * Makes a client's frames, whose bytes are hidden by a mask. They are copied once, for what is sent again after a cut must
 * stay as it is; and into memory that is used again, or V8 would collect as much garbage as is sent.
 */
export class MaskedFrames {
  readonly #free: Buffer[] = [];

  /** A frame that is one binary message. */
  frame(parts: Parts): Uint8Array {
    const length = lengthOf(parts);
    const key = newKey();
    const head = frameHead(length, key);
    const memory = this.#memory(head.length + length);
    memory.set(head);
    let at = head.length;
    for (const part of parts)
      at = copyMasked(part, { to: memory, at, key, offset: at - head.length });
    return memory.subarray(0, at);
  }

  /** The socket has taken it. */
  release({ buffer, byteOffset }: Uint8Array): void {
    const isPooled = buffer.byteLength === pooledCapacity && byteOffset === 0;
    if (isPooled && this.#free.length < maxFree) this.#free.push(Buffer.from(buffer));
  }

  #memory(bytes: number): Buffer {
    if (bytes < pooledBytes || bytes > pooledCapacity) return Buffer.allocUnsafe(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledCapacity);
  }
}

/** Many at a time: each is used once. */
const keys: Buffer = Buffer.alloc(2048 * keyBytes);
let nextKey: number = keys.length;

function newKey(): Uint8Array {
  if (nextKey === keys.length) {
    randomFillSync(keys);
    nextKey = 0;
  }
  nextKey += keyBytes;
  return keys.subarray(nextKey - keyBytes, nextKey);
}
