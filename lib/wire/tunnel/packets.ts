import { Frame, Packet } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { messageOf } from '../../process/errors/message-of.js';
import { FieldReader } from '../field-reader.js';
import { TunnelViolation } from './end-reason.js';
import { frameTag, packetTag, streamTag } from './packet-tags.js';

/** A packet in parts, one after another, so that large ones need no copy. They are not changed any more. */
export type PacketBytes = readonly Uint8Array[];

/** A packet that is not counted. */
export function controlPacket(content: Partial<Packet>): PacketBytes {
  return [Packet.encode({ ...Packet.create(), ...content }).finish()];
}

/** What came, as it is: the bytes of messages are views of it. */
export function readPacket(bytes: Uint8Array): Packet {
  try {
    return framesOnly(bytes) ?? Packet.decode(bytes);
  } catch (cause) {
    throw new TunnelViolation('malformed', `this is no packet: ${messageOf(cause)}`);
  }
}

/** A packet that has nothing but frames, as most do; `undefined` for another one. */
function framesOnly(bytes: Uint8Array): Packet | undefined {
  const reader = new FieldReader(bytes);
  const numbers = { seq: 0, ack: 0 };
  const frames: Frame[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === packetTag.seq) numbers.seq = reader.varint();
    else if (tag === packetTag.ack) numbers.ack = reader.varint();
    else {
      const frame = tag === packetTag.frames ? reader.bytes() : undefined;
      if (frame === undefined) return undefined;
      frames.push(messageFrame(frame) ?? Frame.decode(frame));
    }
  }
  const { seq, ack } = numbers;
  if (Number.isNaN(seq + ack)) return undefined;
  return { ...nothing, seq: BigInt(seq), ack: BigInt(ack), frames };
}

const nothing: Packet = Packet.create();

/** A frame that is a message or a part of one; `undefined` for another one. */
function messageFrame(bytes: Uint8Array): Frame | undefined {
  const reader = new FieldReader(bytes);
  if (reader.varint() !== streamTag) return undefined;
  const stream = reader.varint();
  const tag = reader.varint();
  if (tag !== frameTag.chunk && tag !== frameTag.message) return undefined;
  const value = reader.bytes();
  if (value === undefined || !reader.isAtEnd || stream > maxStream) return undefined;
  return { stream, body: { $case: tag === frameTag.chunk ? 'chunk' : 'message', value } };
}

/** A number of 32 bits. */
const maxStream = 0xffff_ffff;

/** A number of 64 bits of which JavaScript can say every value. */
export function exact(value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new TunnelViolation('malformed', 'too large a number');
  return Number(value);
}
