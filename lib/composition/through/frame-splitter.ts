import type { OperatorFunction } from 'rxjs';
import { staged } from '../../operators/staged.js';
import { concatBytes } from '../../process/bytes.js';
import { OutputLimitError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';

/** A frame begins with its length: four bytes, the highest first. */
const headerBytes = 4;

/** A value as a frame. */
export function toFrame(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + data.length);
  new DataView(frame.buffer).setUint32(0, data.length);
  frame.set(data, headerBytes);
  return frame;
}

/** Takes bytes apart into the frames that they are made of, wherever they were cut. */
export function frames(maxBytes: number): OperatorFunction<Uint8Array, Uint8Array> {
  return staged((subscriber) => {
    let held: Uint8Array[] = [];
    let heldBytes = 0;
    /** With so many bytes, there is more to be said of the first frame. */
    let wanted = headerBytes;
    const takeFrame = (bytes: Uint8Array): Uint8Array => {
      wanted = headerBytes;
      if (bytes.length < wanted) return bytes;
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (length > maxBytes) throw tooLong(length, maxBytes);
      wanted = headerBytes + length;
      if (bytes.length < wanted) return bytes;
      subscriber.next(bytes.slice(headerBytes, wanted));
      return bytes.subarray(wanted);
    };
    return {
      next: (chunk) => {
        held.push(chunk);
        heldBytes += chunk.length;
        if (heldBytes < wanted) return;
        let bytes = concatBytes(held);
        for (let left = -1; left !== bytes.length;) {
          left = bytes.length;
          bytes = takeFrame(bytes);
        }
        held = [bytes];
        heldBytes = bytes.length;
      },
      flush: () => {
        if (heldBytes > 0)
          throw new SandboxError('ERR_BAD_ANSWER', 'the output ended in the middle of a frame');
      },
    };
  });
}

function tooLong(length: number, maxBytes: number): OutputLimitError {
  return new OutputLimitError(
    `a frame of ${length} bytes is longer than maxLength (${maxBytes}); raise maxLength, or let the process write frames`,
    maxBytes,
  );
}
