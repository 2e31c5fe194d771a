import { chunkDecoder, type Chunk, type ChunkDecoder } from './chunk-decoder.js';
import { LogCursor, type StreamLog } from './stream-log.js';
import { orphanedBytes } from './text-stream-decoder.js';

/** A reading position in a stream's log, with the decoder's state that belongs to it. */
export class Decoding<T extends Chunk> {
  readonly #cursor: LogCursor;
  readonly #encoding: string;
  readonly #decoder: ChunkDecoder<T>;
  #begun = false;

  constructor(log: StreamLog, encoding: string) {
    this.#cursor = new LogCursor(log);
    this.#encoding = encoding;
    this.#decoder = chunkDecoder(encoding);
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#cursor.position;
  }

  /** The next chunk, empty while a character is unfinished; `undefined` when there is nothing more before `limit`. */
  next(limit: number = Infinity): T | undefined {
    const bytes = this.#cursor.next(limit);
    if (bytes === undefined) return undefined;
    return this.#decoder.decode(this.#begun ? bytes : this.#first(bytes));
  }

  end(): T {
    return this.#decoder.end();
  }

  /** Where earlier bytes were dropped, the rest of a character that began in them is left out too. */
  #first(bytes: Uint8Array): Uint8Array {
    this.#begun = true;
    return this.#cursor.position === bytes.length
      ? bytes
      : bytes.subarray(orphanedBytes(bytes, this.#encoding));
  }
}
