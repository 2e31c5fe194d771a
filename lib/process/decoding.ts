import { chunkDecoder, type Chunk, type ChunkDecoder } from './chunk-decoder.js';
import { LogCursor, type StreamLog } from './stream-log.js';

/** A reading position in a stream's log, with the decoder's state that belongs to it. */
export class Decoding<T extends Chunk> {
  readonly #cursor: LogCursor;
  readonly #decoder: ChunkDecoder<T>;
  #readBytes = 0;

  constructor(log: StreamLog, encoding: string) {
    this.#cursor = new LogCursor(log);
    this.#decoder = chunkDecoder(encoding);
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#cursor.position;
  }

  /** Bytes before it that it did not find. */
  get missingBytes(): number {
    return this.position - this.#readBytes;
  }

  /** The next chunk, empty while a character is unfinished; `undefined` when there is nothing more before `limit`. */
  next(limit: number = Infinity): T | undefined {
    const bytes = this.#cursor.next(limit);
    if (bytes === undefined) return undefined;
    this.#readBytes += bytes.length;
    return this.#decoder.decode(bytes, this.#cursor.position - bytes.length);
  }

  end(): T {
    return this.#decoder.end();
  }
}
