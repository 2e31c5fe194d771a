import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** How a message gets on the wire and off it: what the generated code has for each. */
export interface Codec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

/** The largest message, in bytes: both official clients allow as much, either way. */
export const maxMessageBytes = 104_857_600;
