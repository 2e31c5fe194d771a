import { identity, type OperatorFunction } from 'rxjs';
import { lines } from '../../operators/lines.js';
import { ndjson } from '../../operators/ndjson.js';
import { SandboxValidationError } from '../../process/errors/errors.js';
import { messageOf } from '../../process/errors/message-of.js';
import { encodeStdin } from '../../process/stdin.js';
import { refuse } from '../../process/validate.js';
import { frames, toFrame } from './frame-splitter.js';

/**
 * How values stand in a stream of bytes: as `'lines'` of text, as `'ndjson'` (one JSON value a line), each after its length
 * in four bytes, the highest first (`'length-prefixed'`), or not at all (`'raw'`: bytes as they come).
 */
export type Framing = 'lines' | 'ndjson' | 'length-prefixed' | 'raw';

/** The words for them. */
export const framings: readonly Framing[] = ['lines', 'ndjson', 'length-prefixed', 'raw'];

/** What is written for a value: text without the newline behind it, which is encoded with what else is written, or bytes. */
export type Frame = string | Uint8Array;

/** What a frame counts for while it waits: bytes, or UTF-16 code units of text. */
export function frameLength(frame: Frame): number {
  return typeof frame === 'string' ? frame.length + 1 : frame.length;
}

/** Writes values, and takes what was written apart again. */
export interface Codec {
  encode(value: unknown): Frame;
  decode(): OperatorFunction<Uint8Array, unknown>;
}

const defaultMaxFrameBytes = 16_777_216;

/** `maxLength`: the longest line or frame that is read. */
export function codecOf(framing: Framing, maxLength: number | undefined): Codec {
  const config = maxLength === undefined ? {} : { maxLength };
  switch (framing) {
    case 'lines':
      return { encode: lineOf, decode: () => lines(config) };
    case 'ndjson':
      return { encode: jsonOf, decode: () => ndjson(config) };
    case 'length-prefixed':
      return {
        encode: (value) => toFrame(encodeStdin(value)),
        decode: () => frames(maxLength ?? defaultMaxFrameBytes),
      };
    case 'raw':
      return { encode: encodeStdin, decode: () => identity };
  }
}

function lineOf(value: unknown): string {
  if (typeof value !== 'string') refuse("a value for framing 'lines'", 'a string', value);
  if (value.includes('\n')) refuse("a value for framing 'lines'", 'one line of text', value);
  return value;
}

function jsonOf(value: unknown): string {
  const json = stringified(value);
  if (json === undefined) refuse("a value for framing 'ndjson'", 'a value that JSON has', value);
  return json;
}

/** What the typings do not say: a function, for one, is nothing in JSON. */
function stringified(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    // A bigint, what holds itself, or what a `toJSON` throws.
    const message = `a value for framing 'ndjson' must be a value that JSON has: ${messageOf(cause)}`;
    throw new SandboxValidationError(message, { cause });
  }
}
