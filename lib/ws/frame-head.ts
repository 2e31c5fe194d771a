/**
 * What a server's binary message of one frame begins with on the wire.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2 | RFC 6455, section 5.2}
 */
export function frameHead(length: number): Buffer {
  if (length < 126) return Buffer.of(finalBinary, length);
  const head = Buffer.allocUnsafe(length < 65_536 ? 4 : 10);
  head[0] = finalBinary;
  if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return head;
}

/** FIN, and the opcode of a binary frame. */
const finalBinary = 0x82;
