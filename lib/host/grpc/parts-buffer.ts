import { lengthOf, type Parts } from '../../process/bytes.js';
import { bufferOf } from './metadata.js';

/**
 * The bytes of all parts, for grpc-js to send. What it does with a message is to copy it behind five bytes of its own, so
 * parts are not joined before: they are copied once, to where it wants them.
 */
export function bufferOfParts(parts: Parts): Buffer {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return bufferOf(first);
  return Object.defineProperties(Buffer.alloc(0), {
    byteLength: { value: lengthOf(parts) },
    copy: {
      value: (target: Uint8Array, at = 0): void => {
        let end = at;
        for (const part of parts) {
          target.set(part, end);
          end += part.length;
        }
      },
    },
  });
}
