/** What a client has to hide its frames with: four bytes that nobody can foresee. */
export const keyBytes = 4;

/** FIN, and the opcode of a binary frame. */
export const finalBinary = 0x82;
/** In the byte of the length. */
export const masked = 0x80;

/**
 * What a binary message of one frame begins with on the wire; `key`: of a client, whose frames are masked.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2 | RFC 6455, section 5.2}
 */
export function frameHead(length: number, key?: Uint8Array): Buffer {
  const bit = key === undefined ? 0 : masked;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.allocUnsafe(2 + extended + (key === undefined ? 0 : keyBytes));
  head[0] = finalBinary;
  head[1] = bit | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  else if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (key !== undefined) head.set(key, head.length - keyBytes);
  return head;
}
