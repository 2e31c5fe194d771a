import { joined, type Parts } from '../../process/bytes.js';
import { messageOf } from '../../process/errors/message-of.js';
import { Frame, Packet } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { FieldReader } from '../field-reader.js';
import { TunnelViolation } from './end-reason.js';
import { frameTag, packetTag, streamTag } from './packet-tags.js';

/** A frame that is a message, or a part of one: its bytes are views of what came. */
type MessageBody =
  | { readonly $case: 'message'; readonly value: Parts }
  | { readonly $case: 'chunk'; readonly value: Parts };

/** A frame of any other kind. */
export type ControlBody = Exclude<
  NonNullable<Frame['body']>,
  { readonly $case: MessageBody['$case'] }
>;

export type FrameBody = ControlBody | MessageBody;

/** A frame as it was read. */
export interface ReadFrame {
  readonly stream: number;
  readonly body: FrameBody;
}

/** A packet as it was read. */
export interface ReadPacket extends Omit<Packet, 'frames'> {
  readonly frames: readonly ReadFrame[];
}

/** A packet that is not counted. */
export function controlPacket(content: Partial<Packet>): Parts {
  return [Packet.encode({ ...Packet.create(), ...content }).finish()];
}

/** What came, as it is: the bytes of messages are views of it. */
export function readPacket(bytes: Parts): ReadPacket {
  try {
    return framesOnly(bytes) ?? anyPacket(bytes);
  } catch (cause) {
    throw new TunnelViolation('malformed', `this is no packet: ${messageOf(cause)}`);
  }
}

/** A packet that has nothing but frames, as most do; `undefined` for another one. */
function framesOnly(bytes: Parts): ReadPacket | undefined {
  const reader = new FieldReader(bytes);
  let seq = 0;
  let ack = 0;
  const frames: ReadFrame[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === packetTag.seq) seq = reader.varint();
    else if (tag === packetTag.ack) ack = reader.varint();
    else {
      const frame = tag === packetTag.frames ? reader.bytes() : undefined;
      if (frame === undefined) return undefined;
      frames.push(messageFrame(frame) ?? anyFrame(Frame.decode(joined(frame))));
    }
    // At once: it is not known where such a number ends.
    if (Number.isNaN(seq + ack)) return undefined;
  }
  return { ...nothing, seq: BigInt(seq), ack: BigInt(ack), frames };
}

const nothing: Packet = Packet.create();

/** A frame that is a message or a part of one; `undefined` for another one. */
function messageFrame(bytes: Parts): ReadFrame | undefined {
  const reader = new FieldReader(bytes);
  if (reader.varint() !== streamTag) return undefined;
  const stream = reader.varint();
  // Nor one that is not a number.
  if (!(stream <= maxStream)) return undefined;
  const tag = reader.varint();
  if (tag !== frameTag.chunk && tag !== frameTag.message) return undefined;
  const value = reader.bytes();
  if (value === undefined || !reader.isAtEnd) return undefined;
  return { stream, body: { $case: tag === frameTag.chunk ? 'chunk' : 'message', value } };
}

/** A number of 32 bits. */
const maxStream = 0xffff_ffff;

function anyPacket(bytes: Parts): ReadPacket {
  const packet = Packet.decode(joined(bytes));
  return { ...packet, frames: packet.frames.map(anyFrame) };
}

function anyFrame({ stream, body }: Frame): ReadFrame {
  if (body === undefined) throw new Error('a frame is empty');
  if (body.$case !== 'message' && body.$case !== 'chunk') return { stream, body };
  return { stream, body: { $case: body.$case, value: [body.value] } };
}

/** A number of 64 bits of which JavaScript can say every value. */
export function exact(value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new TunnelViolation('malformed', 'too large a number');
  return Number(value);
}
