import { TextStreamDecoder } from './text-stream-decoder.js';

/** What the chunks of a stream are: text, or bytes with `encoding: 'buffer'`. */
export type Chunk = string | Uint8Array;

/** Turns the bytes of one stream into the chunks that its consumers asked for. */
export interface ChunkDecoder<T extends Chunk> {
  /** Empty while a character is unfinished. */
  decode(bytes: Uint8Array): T;
  /** What is left at the end; may be empty. */
  end(): T;
}

const noBytes = new Uint8Array();

const passBytes: ChunkDecoder<Uint8Array> = {
  decode: (bytes) => bytes,
  end: () => noBytes,
};

/**
 * The decoder for an `encoding` option. `T` follows from the option's value: the overloads of `exec` tie
 * `'buffer'` to `Uint8Array` and every other label to `string`.
 */
export function chunkDecoder<T extends Chunk>(encoding: string): ChunkDecoder<T> {
  const decoder: ChunkDecoder<Chunk> =
    encoding === 'buffer' ? passBytes : new TextStreamDecoder(encoding);
  return decoder as ChunkDecoder<T>;
}
