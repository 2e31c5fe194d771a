import { concatBytes } from '../process/bytes.js';

const newline = 0x0a;
const encoder = new TextEncoder();

/** Puts the time before each line of what comes in pieces. */
export class TimestampedLines {
  #atLineStart = true;

  stamped(data: Uint8Array, timeMs: number): Uint8Array {
    const stamp = encoder.encode(`${new Date(timeMs).toISOString()} `);
    const parts: Uint8Array[] = [];
    for (let from = 0; from < data.length;) {
      const end = data.indexOf(newline, from) + 1 || data.length;
      if (this.#atLineStart) parts.push(stamp);
      parts.push(data.subarray(from, end));
      this.#atLineStart = data[end - 1] === newline;
      from = end;
    }
    return concatBytes(parts);
  }
}
