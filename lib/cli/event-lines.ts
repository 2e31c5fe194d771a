import { concatBytes } from '../process/bytes.js';
import type { OutputStream } from '../process/process-event.js';
import { printJson } from './output.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A piece of output as it stands in JSON: text where the bytes are UTF-8, otherwise base64. */
type Piece = { readonly offset: number } & (
  { readonly text: string } | { readonly base64: string }
);

/** Prints the output of one stream as JSON, an event a line. The begin of a character at a chunk's end waits for its rest. */
export class EventLines {
  readonly #type: OutputStream;
  #begun: Uint8Array = new Uint8Array(0);
  /** After what has come. */
  #end = 0;

  constructor(type: OutputStream) {
    this.#type = type;
  }

  async print(data: Uint8Array, offset: number): Promise<void> {
    // Where bytes are missing between the two, they are no one character.
    if (offset !== this.#end) await this.printRest();
    const from = offset - this.#begun.length;
    const bytes = this.#begun.length === 0 ? data : concatBytes([this.#begun, data]);
    const whole = bytes.length - begunBytes(bytes);
    this.#begun = bytes.subarray(whole);
    this.#end = offset + data.length;
    if (whole > 0) await this.#printPiece(bytes.subarray(0, whole), from);
  }

  /** Nothing more will come of what has begun. */
  async printRest(): Promise<void> {
    const begun = this.#begun;
    this.#begun = new Uint8Array(0);
    if (begun.length > 0) await this.#printPiece(begun, this.#end - begun.length);
  }

  #printPiece(bytes: Uint8Array, offset: number): Promise<void> {
    return printJson({ type: this.#type, ...pieceOf(bytes, offset) });
  }
}

function pieceOf(bytes: Uint8Array, offset: number): Piece {
  try {
    return { offset, text: decoder.decode(bytes) };
  } catch {
    return { offset, base64: Buffer.from(bytes).toString('base64') };
  }
}

/** How many bytes at the end begin a character in UTF-8 that goes on after them. */
function begunBytes(bytes: Uint8Array): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count] ?? 0;
    // One that goes on with a character is none that begins it.
    if (byte >> 6 !== 0b10) return lengthOf(byte) > count ? count : 0;
  }
  return 0;
}

/** Of the character that begins with this byte; 0 where none does. */
function lengthOf(byte: number): number {
  if (byte >> 5 === 0b110) return 2;
  if (byte >> 4 === 0b1110) return 3;
  return byte >> 3 === 0b11110 ? 4 : 0;
}
