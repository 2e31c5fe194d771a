/** As much is a safe integer: 7 bits of each. */
const longestVarint = 7;

/**
 * Reads what comes so often that the generated code costs too much: it makes several objects for each message. What is not
 * as expected is left to it, which knows what to make of it: then numbers are `NaN`, and bytes `undefined`.
 */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let index = 0, unit = 1; index < longestVarint; index++, unit *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    return NaN;
  }

  /** As many as the number before them says: a view. */
  bytes(): Uint8Array | undefined {
    const length = this.varint();
    const begin = this.#at;
    // Not so for NaN either.
    if (!(begin + length <= this.#bytes.length)) return undefined;
    this.#at = begin + length;
    return this.#bytes.subarray(begin, this.#at);
  }
}
