import { concatBytes, type Parts } from '../process/bytes.js';
import { finalBinary, keyBytes, masked } from './frame-head.js';
import { mask } from './masking.js';

/** Who is given what comes. */
export interface FrameListener {
  /** A binary message of one frame. Its parts are views of what was read. */
  message(parts: Parts): void;
  /** All else: frames of other kinds, and what is no frame. */
  other(bytes: Uint8Array): void;
}

const opcodeOf = (first: number): number => first & 0x0f;
const isFinal = (first: number): boolean => first >= 0x80;
const continuation = 0;
const binary = 2;
const closing = 8;
/** Parts are of so many bytes at least, on average. */
const leastPart = 16_384;
/** The longest head: two bytes, a length of 64 bits, and the key of a mask. */
const longestHead = 14;

/**
 * Takes binary messages of one frame out of what one end of a WebSocket sends, as views, and leaves everything else to
 * somebody who knows the whole protocol. `ws` copies each message that was not read in one piece, which is nearly every
 * large one: half of what its receiver costs.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2 | RFC 6455, section 5.2}
 */
export class BinaryFrames {
  readonly #maskBit: number;
  readonly #maxBytes: number;
  readonly #listener: FrameListener;
  readonly #head: Uint8Array = new Uint8Array(longestHead);
  #headLength = 0;
  /** Of the frame whose head was read: what is missing, and what came, unless it is somebody else's. */
  #left = 0;
  #length = 0;
  #parts: Uint8Array[] | undefined;
  #key: Uint8Array = this.#head;
  /** A message in several frames has begun. */
  #isFragmented = false;
  /** The last frame has begun. */
  #isClosing = false;
  #isOver = false;

  /** `from`: who sends. A longer message than `maxBytes` is somebody else's to refuse. */
  constructor(
    { from, maxBytes }: { readonly from: 'client' | 'server'; readonly maxBytes: number },
    listener: FrameListener,
  ) {
    this.#maskBit = from === 'client' ? masked : 0;
    this.#maxBytes = maxBytes;
    this.#listener = listener;
  }

  /** Takes what was read. A mask is taken off where it is. */
  read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#isOver)
      at = this.#left > 0 ? this.#readBody(chunk, at) : this.#readHead(chunk, at);
  }

  /** Nothing more is taken. */
  stop(): void {
    this.#isOver = true;
    this.#parts = undefined;
  }

  /** Returns where it ends. */
  #readHead(chunk: Uint8Array, begin: number): number {
    let at = begin;
    let needed = this.#headNeeded();
    while (at < chunk.length && this.#headLength < needed) {
      this.#head[this.#headLength++] = chunk[at++] ?? 0;
      needed = this.#headNeeded();
    }
    if (this.#headLength === needed) this.#begin();
    return at;
  }

  /** How long the head is, as far as it is known. */
  #headNeeded(): number {
    if (this.#headLength < 2) return 2;
    const second = this.#head[1] ?? 0;
    const short = second & 0x7f;
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    return 2 + extended + (second >= masked ? keyBytes : 0);
  }

  #begin(): void {
    const head = this.#head.slice(0, this.#headLength);
    this.#headLength = 0;
    this.#length = this.#left = lengthIn(head);
    if (this.#isTaken(head)) {
      this.#parts = [];
      this.#key = head.subarray(head.length - keyBytes);
    } else {
      this.#parts = undefined;
      this.#noteKind(head[0] ?? 0);
      this.#listener.other(head);
    }
    if (this.#left === 0) this.#end();
  }

  #isTaken([first, second = 0]: Uint8Array): boolean {
    return (
      first === finalBinary &&
      (second & masked) === this.#maskBit &&
      !this.#isFragmented &&
      this.#length <= this.#maxBytes
    );
  }

  #noteKind(first: number): void {
    const opcode = opcodeOf(first);
    if (opcode <= binary && opcode !== continuation) this.#isFragmented = !isFinal(first);
    else if (opcode === continuation && isFinal(first)) this.#isFragmented = false;
    if (opcode === closing) this.#isClosing = true;
  }

  #readBody(chunk: Uint8Array, begin: number): number {
    const end = Math.min(chunk.length, begin + this.#left);
    const part = new Uint8Array(chunk.buffer, chunk.byteOffset + begin, end - begin);
    if (this.#parts === undefined) this.#listener.other(part);
    else {
      if (this.#maskBit !== 0) mask(part, this.#key, this.#length - this.#left);
      this.#parts.push(part);
    }
    this.#left -= part.length;
    if (this.#left === 0) this.#end();
    return end;
  }

  #end(): void {
    const parts = this.#parts;
    this.#parts = undefined;
    if (this.#isClosing) this.stop();
    else if (parts !== undefined) this.#listener.message(this.#inFew(parts));
  }

  /** Off a slow path it comes in many small reads: to copy those costs less than to hand on each. */
  #inFew(parts: Parts): Parts {
    return parts.length > 1 + this.#length / leastPart ? [concatBytes(parts)] : parts;
  }
}

function lengthIn(head: Uint8Array): number {
  const short = (head[1] ?? 0) & 0x7f;
  if (short < 126) return short;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  return short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
}
