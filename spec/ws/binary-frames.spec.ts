import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BinaryFrames } from '../../lib/ws/binary-frames.js';
import { mask, maskByWords } from '../../lib/ws/masking.js';
import { concat } from '../support/bytes.js';

interface Frame {
  readonly first: number;
  readonly payload: Uint8Array;
  /** `undefined`: it is not masked. */
  readonly key: Uint8Array | undefined;
}

function xored(bytes: Uint8Array, key: Uint8Array, offset = 0): Uint8Array {
  return bytes.map((byte, index) => byte ^ (key[(index + offset) % 4] ?? 0));
}

/** As RFC 6455 has it, with a length as short as it can be. */
function encoded({ first, payload, key }: Frame): Uint8Array {
  const { length } = payload;
  const bit = key === undefined ? 0 : 0x80;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = bit | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return key === undefined ? concat([head, payload]) : concat([head, key, xored(payload, key)]);
}

/** What is read of bytes that come in pieces. */
function read(
  bytes: Uint8Array,
  {
    from,
    maxBytes = Infinity,
    cuts = [],
  }: {
    readonly from: 'client' | 'server';
    readonly maxBytes?: number;
    readonly cuts?: readonly number[];
  },
): { readonly messages: Uint8Array[]; readonly other: Uint8Array } {
  const messages: Uint8Array[] = [];
  const others: Uint8Array[] = [];
  const frames = new BinaryFrames(
    { from, maxBytes },
    {
      message: (parts) => messages.push(concat(parts)),
      other: (part) => others.push(Uint8Array.from(part)),
    },
  );
  const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  // A copy of each, for masks are taken off in place.
  [0, ...places].forEach((place, index) => {
    frames.read(bytes.slice(place, places[index] ?? bytes.length));
  });
  return { messages, other: concat(others) };
}

const size = fc.oneof(fc.nat(130), fc.constantFrom(0, 125, 126, 65_535, 65_536, 70_001));
const payload = fc.tuple(size, fc.nat(255)).map(([length, byte]) => {
  const bytes = new Uint8Array(length).fill(byte);
  bytes[length - 1] = byte ^ 1;
  return bytes;
});
const keys = fc.uint8Array({ minLength: 4, maxLength: 4 });
const finalBinary = 0x82;
/** Text, and ping: whole, and no last ones. */
const otherKinds = fc.constantFrom(finalBinary, finalBinary, finalBinary, 0x81, 0x89);
const frame = fc.record({ first: otherKinds, payload });
const cuts = fc.array(fc.nat(), { maxLength: 12 });

describe('binary frames', () => {
  it('come as messages, wherever they were cut, and all else as it is', () => {
    fc.assert(
      fc.property(fc.array(frame), cuts, fc.option(keys), (frames, cuts, key) => {
        const all = frames.map((one) => ({ ...one, key: key ?? undefined }));
        const from = key === null ? 'server' : 'client';
        const { messages, other } = read(concat(all.map(encoded)), { from, cuts });
        const [wanted, rest] = [true, false].map((isWanted) =>
          all.filter(({ first }) => (first === finalBinary) === isWanted),
        );
        expect(messages.map(({ length }) => length)).toEqual(
          wanted?.map((one) => one.payload.length),
        );
        expect(
          Buffer.compare(concat(messages), concat(wanted?.map((one) => one.payload) ?? [])),
        ).toBe(0);
        expect(Buffer.compare(other, concat(rest?.map(encoded) ?? []))).toBe(0);
      }),
    );
  });

  it('come in few parts, however small the reads were', () => {
    const counts: number[] = [];
    const listener = {
      message: (parts: readonly Uint8Array[]) => counts.push(parts.length),
      other: () => undefined,
    };
    const payload = new Uint8Array(65_536);
    const bytes = encoded({ first: finalBinary, payload, key: undefined });
    for (const step of [1000, 40_000]) {
      const frames = new BinaryFrames({ from: 'server', maxBytes: Infinity }, listener);
      for (let at = 0; at < bytes.length; at += step) frames.read(bytes.subarray(at, at + step));
    }
    expect(counts).toEqual([1, 2]);
  });

  it('are left to others where they are wrong: masked or not, too long, amid a message in several frames', () => {
    const key = Uint8Array.of(1, 2, 3, 4);
    const body = Uint8Array.of(5, 6, 7);
    const plain = { first: finalBinary, payload: body, key: undefined };
    const hidden = { ...plain, key };
    const begun = { ...plain, first: 0x02 };
    const ended = { ...plain, first: 0x80 };
    for (const [name, frames, from, taken] of [
      ['masked by a server', [hidden, plain], 'server', 1],
      ['not masked by a client', [plain, hidden], 'client', 1],
      ['longer than it may be', [{ ...plain, payload: new Uint8Array(9) }, plain], 'server', 1],
      ['with a bit of an extension', [{ ...plain, first: 0xc2 }, plain], 'server', 1],
      ['amid fragments', [begun, plain, ended, plain], 'server', 1],
      ['amid fragments, and a ping', [begun, { ...plain, first: 0x89 }, plain], 'server', 0],
    ] as const) {
      const bytes = concat(frames.map(encoded));
      const { messages, other } = read(bytes, { from, maxBytes: 8, cuts: [1, 4, 6] });
      expect([name, messages.length]).toEqual([name, taken]);
      expect([name, other.length]).toEqual([
        name,
        bytes.length - taken * encoded(from === 'client' ? hidden : plain).length,
      ]);
    }
  });

  it('are not read after the last one, nor once they are stopped', () => {
    const plain = { first: finalBinary, payload: Uint8Array.of(1), key: undefined };
    const closing = { ...plain, first: 0x88, payload: Uint8Array.of(3, 232) };
    const bytes = concat([plain, closing, plain, closing].map(encoded));
    const { messages, other } = read(bytes, { from: 'server' });
    expect(messages).toHaveLength(1);
    expect(other).toEqual(encoded(closing));

    let heard = 0;
    const frames: BinaryFrames = new BinaryFrames(
      { from: 'server', maxBytes: 8 },
      {
        message: () => {
          heard += 1;
          frames.stop();
        },
        other: () => undefined,
      },
    );
    frames.read(concat([plain, plain].map(encoded)));
    expect(heard).toBe(1);
  });
});

describe('a mask', () => {
  it('is put on and taken off in place, as of any offset, with and without bufferutil', () => {
    const view = fc.record({ length: size, begin: fc.nat(7), offset: fc.nat(9) });
    fc.assert(
      fc.property(view, keys, ({ length, begin, offset }, key) => {
        const memory = new Uint8Array(begin + length + 3).map((_, index) => index * 7);
        const before = memory.slice();
        const bytes = memory.subarray(begin, begin + length);
        const wanted = xored(bytes, key, offset);
        mask(bytes, key, offset);
        expect(Buffer.compare(bytes, wanted)).toBe(0);
        mask(bytes, key, offset);
        expect(Buffer.compare(memory, before)).toBe(0);
        maskByWords(bytes, key);
        expect(Buffer.compare(bytes, xored(before.subarray(begin, begin + length), key))).toBe(0);
        expect(memory.subarray(begin + length)).toEqual(before.subarray(begin + length));
      }),
    );
  });
});
