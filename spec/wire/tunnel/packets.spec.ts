import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Packet } from '../../../lib/wire/generated/sandboxrx/tunnel/v1/tunnel.js';
import { PacketWriter } from '../../../lib/wire/tunnel/packet-writer.js';

const written = fc.record({
  seq: fc.maxSafeNat(),
  ack: fc.maxSafeNat(),
  frames: fc.array(
    fc.record({
      stream: fc.integer({ min: 1, max: 0xffff_ffff }),
      kind: fc.constantFrom('message' as const, 'chunk' as const),
      payload: fc.uint8Array({ maxLength: 300 }),
    }),
    { maxLength: 10 },
  ),
});

describe('a packet', () => {
  it('is written as the generated code would', () => {
    const writer = new PacketWriter(16_384);
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
        expect(Packet.decode(writer.finish())).toEqual(same);
      }),
    );
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
      expect(packets[0]).toEqual(packets[1]);
      expect(packets[0]?.buffer).not.toBe(packets[1]?.buffer);
      expect(packets[0]?.length).toBeLessThan(16_384 + 64);
    }
  });
});
