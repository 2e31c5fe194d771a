import { TextStreamDecoder } from './text-stream-decoder.js';

/** What the chunks of a stream are: text, or bytes with `encoding: 'buffer'`. */
export type Chunk = string | Uint8Array;

/** Turns the bytes of one stream into the chunks that its consumers asked for. */
export interface ChunkDecoder<T extends Chunk> {
  /** Takes the bytes from `offset` of the stream on. Empty while a character is unfinished. */
  decode(bytes: Uint8Array, offset: number): T;
  /** What is left at the end; may be empty. */
  end(): T;
}

const noBytes = new Uint8Array();

const passBytes: ChunkDecoder<Uint8Array> = {
  decode: (bytes) => bytes,
  end: () => noBytes,
};

/**
 * Decodes a stream of which bytes may be missing: at its start, where they were dropped, and wherever the offsets jump.
 * The half of a character before a gap becomes U+FFFD, the one after it is left out, and they are never joined.
 */
class GapDecoder implements ChunkDecoder<string> {
  #decoder: TextStreamDecoder;
  #position = 0;
  /** So many of the next bytes may be the rest of a character whose beginning is missing. */
  #orphans = 0;

  constructor(encoding: string) {
    this.#decoder = new TextStreamDecoder(encoding);
  }

  decode(bytes: Uint8Array, offset: number): string {
    const rest = offset === this.#position ? '' : this.#resume(offset);
    this.#position = offset + bytes.length;
    return rest + this.#decoder.decode(this.#orphans === 0 ? bytes : this.#withoutOrphans(bytes));
  }

  end(): string {
    return this.#decoder.end();
  }

  #resume(offset: number): string {
    const { encoding } = this.#decoder;
    const rest = this.#decoder.end();
    this.#decoder = new TextStreamDecoder(encoding, { begun: true });
    this.#orphans = maxOrphans(encoding, offset);
    return rest;
  }

  #withoutOrphans(bytes: Uint8Array): Uint8Array {
    const isOrphan = this.#decoder.encoding === 'utf-8' ? isContinuation : always;
    let count = 0;
    while (count < this.#orphans && count < bytes.length && isOrphan(bytes[count] ?? 0)) count++;
    this.#orphans = count === bytes.length ? this.#orphans - count : 0;
    return bytes.subarray(count);
  }
}

/** Known for UTF-8, whose continuation bytes can be told from all others, and for UTF-16, whose units are of two. */
function maxOrphans(encoding: string, offset: number): number {
  if (encoding === 'utf-8') return 3;
  return encoding.startsWith('utf-16') ? offset % 2 : 0;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function always(): boolean {
  return true;
}

/**
 * The decoder for an `encoding` option. `T` follows from the option's value: the overloads of `exec` tie
 * `'buffer'` to `Uint8Array` and every other label to `string`.
 */
export function chunkDecoder<T extends Chunk>(encoding: string): ChunkDecoder<T> {
  const decoder: ChunkDecoder<Chunk> = encoding === 'buffer' ? passBytes : new GapDecoder(encoding);
  return decoder as ChunkDecoder<T>;
}
