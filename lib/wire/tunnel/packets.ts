import { Packet } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { messageOf } from '../../process/errors/message-of.js';
import { TunnelViolation } from './end-reason.js';

/** A packet in parts, one after another, so that large ones need no copy. They are not changed any more. */
export type PacketBytes = readonly Uint8Array[];

/** A packet that is not counted. */
export function controlPacket(content: Partial<Packet>): PacketBytes {
  return [Packet.encode({ ...Packet.create(), ...content }).finish()];
}

/** What came, as it is: the bytes of messages are views of it. */
export function readPacket(bytes: Uint8Array): Packet {
  try {
    return Packet.decode(bytes);
  } catch (cause) {
    throw new TunnelViolation('malformed', `this is no packet: ${messageOf(cause)}`);
  }
}

/** A number of 64 bits of which JavaScript can say every value. */
export function exact(value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new TunnelViolation('malformed', 'too large a number');
  return Number(value);
}
