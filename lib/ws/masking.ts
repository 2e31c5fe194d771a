import { createRequire } from 'node:module';

/** What `bufferutil` has, which is ten times as fast as JavaScript. */
interface Native {
  unmask(bytes: Uint8Array, key: Uint8Array): void;
  mask(from: Uint8Array, key: Uint8Array, to: Uint8Array, at: number, length: number): void;
}

/** `null`: it is not installed. */
let native: Native | null | undefined;

/** For less, what is to be set up costs more than it saves. */
const fewBytes = 64;

/** Copies bytes with a mask over them; `offset`: how many of their frame came before. Returns where they end. */
export function copyMasked(from: Uint8Array, { to, at, key, offset }: MaskedCopy): number {
  const rotated = rotate(key, offset);
  if (from.length < fewBytes || (native ??= loaded()) === null) {
    to.set(from, at);
    maskByWords(to.subarray(at, at + from.length), rotated);
  } else native.mask(from, rotated, to, at, from.length);
  return at + from.length;
}

interface MaskedCopy {
  readonly to: Uint8Array;
  readonly at: number;
  readonly key: Uint8Array;
  readonly offset: number;
}

/**
 * Takes a client's mask off, or puts it on, in place. `offset`: how many bytes of its frame came before these.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.3 | RFC 6455, section 5.3}
 */
export function mask(bytes: Uint8Array, key: Uint8Array, offset: number): void {
  const rotated = rotate(key, offset);
  if (bytes.length < fewBytes || (native ??= loaded()) === null) maskByWords(bytes, rotated);
  else native.unmask(bytes, rotated);
}

function loaded(): Native | null {
  try {
    return createRequire(import.meta.url)('bufferutil') as Native;
  } catch {
    return null;
  }
}

/** The key as of a place in its frame. */
function rotate(key: Uint8Array, offset: number): Uint8Array {
  return (offset & 3) === 0 ? key : key.map((_, index) => key[(offset + index) & 3] ?? 0);
}

/** Without `bufferutil`: four bytes at a time where they are in four bytes of memory. */
export function maskByWords(bytes: Uint8Array, key: Uint8Array): void {
  const { buffer, byteOffset, length } = bytes;
  const begin = length < fewBytes ? length : -byteOffset & 3;
  const count = (length - begin) >>> 2;
  const end = begin + 4 * count;
  maskBytes(bytes, key, { begin: 0, end: begin });
  if (count === 0) return;
  const words = new Uint32Array(buffer, byteOffset + begin, count);
  const [word = 0] = new Uint32Array(Uint8Array.from(rotate(key, begin)).buffer);
  for (let index = 0; index < count; index++) words[index] = (words[index] ?? 0) ^ word;
  maskBytes(bytes, key, { begin: end, end: length });
}

function maskBytes(
  bytes: Uint8Array,
  key: Uint8Array,
  { begin, end }: { readonly begin: number; readonly end: number },
): void {
  for (let index = begin; index < end; index++)
    bytes[index] = (bytes[index] ?? 0) ^ (key[index & 3] ?? 0);
}
