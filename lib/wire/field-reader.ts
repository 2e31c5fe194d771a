import type { Parts } from '../process/bytes.js';

/** As much is a safe integer: 7 bits of each. */
const longestVarint = 7;

/**
 * Reads what comes so often that the generated code costs too much: it makes several objects for each message, and needs it
 * in one piece. What is not as expected is left to it, which knows what to make of it: then numbers are `NaN`, and bytes
 * `undefined`.
 */
export class FieldReader {
  readonly #parts: Parts;
  #index = 0;
  /** The part that is read, and where in it: at its end only at the end of all. */
  #part: Uint8Array;
  #at = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#part = parts[0] ?? nothing;
    this.#settle();
  }

  get isAtEnd(): boolean {
    return this.#at === this.#part.length;
  }

  varint(): number {
    let value = 0;
    for (let index = 0, unit = 1; index < longestVarint; index++, unit *= 128) {
      const byte = this.#part[this.#at];
      if (byte === undefined) return NaN;
      this.#at += 1;
      this.#settle();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    return NaN;
  }

  /** As many as the number before them says: views. */
  bytes(): Parts | undefined {
    const length = this.varint();
    if (Number.isNaN(length)) return undefined;
    if (this.#at + length <= this.#part.length) return [this.#view(length)];
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0;) {
      if (this.isAtEnd) return undefined;
      const view = this.#view(Math.min(left, this.#part.length - this.#at));
      left -= view.length;
      parts.push(view);
    }
    return parts;
  }

  #view(length: number): Uint8Array {
    const begin = this.#at;
    const part = this.#part;
    this.#at += length;
    this.#settle();
    return length === part.length ? part : part.subarray(begin, begin + length);
  }

  /** A part that is read to its end gives way to the next. */
  #settle(): void {
    while (this.#at === this.#part.length && this.#index < this.#parts.length - 1) {
      this.#index += 1;
      this.#part = this.#parts[this.#index] ?? nothing;
      this.#at = 0;
    }
  }
}

const nothing: Uint8Array = new Uint8Array(0);
