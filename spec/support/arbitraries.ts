import fc from 'fast-check';
import { bytes, concat } from './bytes.js';

/** Pieces that decoders and line splitters get wrong: marks, halves of characters, long runs of ASCII, terminators. */
const awkward: readonly Uint8Array[] = [
  bytes('\uFEFF'),
  Uint8Array.of(0xef, 0xbb),
  Uint8Array.of(0xe2, 0x82),
  Uint8Array.of(0x82, 0xac),
  Uint8Array.of(0xf0, 0x9f, 0x98),
  Uint8Array.of(0xff, 0xfe),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
  bytes('€'),
  bytes('😀'),
  bytes('x'.repeat(300)),
  bytes('\r'),
  bytes('\r\n'),
  bytes('\n'),
];

/** Any bytes, with more than their share of what is hard to decode. */
export const awkwardBytes: fc.Arbitrary<Uint8Array> = fc
  .array(fc.oneof(fc.constantFrom(...awkward), fc.uint8Array({ maxLength: 8 })), { maxLength: 12 })
  .map(concat);

/** Where to cut, as shares of the whole. */
export const places: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  maxLength: 20,
});
