import { BinaryReader, type BinaryWriter } from '@bufbuild/protobuf/wire';

/** How a message gets on the wire and off it: what the generated code has for each. */
export interface Codec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

/** The largest message, in bytes: both official clients allow as much, either way. */
export const maxMessageBytes = 104_857_600;

/** Keeps a byte order mark, which may begin a file's name. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a message to its last byte. What is no UTF-8 is refused: with other characters in place of it, a path would be
 * that of another file.
 *
 * @throws Error where the bytes are no such message
 */
export function decodeExactly<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new BinaryReader(bytes, (text) => strictUtf8.decode(text));
  const message = codec.decode(reader);
  // The generated code takes a tag of 0 for the end.
  if (reader.pos < reader.len) throw new Error('there is an illegal tag');
  return message;
}
