import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { joined, type Parts } from '../../../lib/process/bytes.js';
import { Packet } from '../../../lib/wire/generated/sandboxrx/tunnel/v1/tunnel.js';
import { PacketWriter } from '../../../lib/wire/tunnel/packet-writer.js';
import { readPacket, type ReadPacket } from '../../../lib/wire/tunnel/packets.js';

const written = fc.record({
  seq: fc.maxSafeNat(),
  ack: fc.maxSafeNat(),
  frames: fc.array(
    fc.record({
      stream: fc.integer({ min: 1, max: 0xffff_ffff }),
      kind: fc.constantFrom('message' as const, 'chunk' as const),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constant(new Uint8Array(8192).fill(7)),
      ),
    }),
    { maxLength: 10 },
  ),
});

describe('a packet', () => {
  it('is written as the generated code would', () => {
    const writer = new PacketWriter(100_000);
    fc.assert(
      fc.property(written, ({ seq, ack, frames }) => {
        writer.begin(seq, ack);
        for (const { stream, kind, payload } of frames) {
          writer.frame(stream, kind, payload.length);
          writer.append(payload);
        }
        const same: Packet = {
          ...Packet.create(),
          ...{ seq: BigInt(seq), ack: BigInt(ack) },
          frames: frames.map(({ stream, kind, payload }) => ({
            stream,
            body: { $case: kind, value: payload },
          })),
        };
        const read = Packet.decode(joined(writer.finish()));
        // As bytes: to compare large arrays element by element takes seconds.
        expect(Buffer.compare(Packet.encode(read).finish(), Packet.encode(same).finish())).toBe(0);
      }),
    );
  });

  it('is read as by the generated code, or refused where its bytes are damaged', () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(20) });
    const other = fc.constantFrom<Partial<Packet>>(
      {},
      { ping: 7 },
      { credits: [{ stream: 3, offset: 1n << 60n }] },
      { seq: (1n << 64n) - 1n },
    );
    const shape = fc.record({ more: other, hasEnd: fc.boolean(), cuts: fc.array(fc.nat()) });
    fc.assert(
      fc.property(written, shape, fc.option(damage), (packet, { more, hasEnd, cuts }, damaged) => {
        const frames = packet.frames.map(({ stream, kind, payload }) => ({
          stream,
          body: { $case: kind, value: payload },
        }));
        const end = { stream: 1, body: { $case: 'halfClose' as const, value: {} } };
        const { seq, ack } = packet;
        const bytes = Packet.encode({
          ...{ ...Packet.create(), seq: BigInt(seq), ack: BigInt(ack) },
          ...{ frames: hasEnd ? [...frames, end] : frames, ...more },
        }).finish();
        const came = damaged === null ? bytes : bytes.slice(0, bytes.length - damaged.cut);
        if (damaged !== null) came[damaged.at % came.length] = damaged.byte;
        const ours = encodedAs(() => generatedFrom(readPacket(partsOf(came, cuts))));
        const generated = encodedAs(() => Packet.decode(came));
        if (damaged === null) expect(ours).toBe(generated);
        else expect([undefined, generated]).toContain(ours);
      }),
    );
  });

  it('with a number that goes on where another field would begin is not misread', () => {
    // `seq` is 2^52, whose last byte is also the tag of `seq`; then `ack`, which is cut off.
    const bytes = Uint8Array.of(8, 128, 128, 128, 128, 128, 128, 128, 8, 16);
    expect(() => readPacket([bytes])).toThrow('this is no packet');
    const { seq } = readPacket([bytes.subarray(0, 9)]);
    expect(seq).toBe(1n << 52n);
  });

  it('fits what it says, at the largest numbers, and is not changed by the next', () => {
    const writer = new PacketWriter(16_384);
    for (const length of [16_384, 8_000, 10]) {
      const payload = new Uint8Array(length).fill(length & 0xff);
      const packets = [1, 2].map(() => {
        writer.begin(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
        for (let first = true; first || writer.fits(length); first = false) {
          writer.frame(0xffff_ffff, 'message', length);
          writer.append(payload);
        }
        return writer.finish();
      });
      const [one = [], other = []] = packets;
      expect(joined(one)).toEqual(joined(other));
      expect(joined(one).length).toBeLessThan(16_384 + 64);
      const copied = packets.flat().filter(({ buffer }) => buffer !== payload.buffer);
      expect(new Set(copied.map(({ buffer }) => buffer)).size).toBe(copied.length);
    }
  });

  it('has a large payload as it is, unless that would keep much more', () => {
    const writer = new PacketWriter(16_384);
    const large = new Uint8Array(16_384);
    const view = new Uint8Array(1_000_000).subarray(0, 16_384);
    for (const [payload, isShared] of [
      [large, true],
      [view, false],
    ] as const) {
      writer.begin(1, 0);
      writer.frame(1, 'message', payload.length);
      writer.append(payload);
      expect(writer.finish().includes(payload)).toBe(isShared);
    }
  });
});

/** The same bytes, cut at some places. */
function partsOf(bytes: Uint8Array, cuts: readonly number[]): Parts {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...places].map((place, index) => bytes.subarray(place, places[index] ?? bytes.length));
}

/** A packet as the generated code has it. */
function generatedFrom(packet: ReadPacket): Packet {
  const frames = packet.frames.map(({ stream, body }) =>
    body.$case === 'message' || body.$case === 'chunk'
      ? { stream, body: { $case: body.$case, value: joined(body.value) } }
      : { stream, body },
  );
  return { ...packet, frames };
}

/** What a reader makes of bytes; `undefined` where it refuses them. */
function encodedAs(read: () => Packet): string | undefined {
  try {
    return Buffer.from(Packet.encode(read()).finish()).toString('latin1');
  } catch {
    return undefined;
  }
}
