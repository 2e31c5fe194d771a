import { copyParts, lengthOf, type Parts } from '../../process/bytes.js';
import { bufferOf } from './metadata.js';

/**
 * An encoded message on its way to grpc-js, which copies it behind five bytes of its own. So its parts are not joined
 * before: they are copied once, to where grpc-js wants them.
 */
export class OutgoingMessage {
  /** In bytes. */
  readonly length: number;
  readonly #parts: Parts;
  #isTaken = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.length = lengthOf(parts);
  }

  /** grpc-js has its bytes. Another version of it may read buffers in another way, and get none. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** What grpc-js takes for a buffer: it asks for its length, and has it copy itself. */
  toBuffer(): Buffer {
    const [first] = this.#parts;
    if (this.#parts.length === 1 && first !== undefined) {
      this.#isTaken = true;
      return bufferOf(first);
    }
    return Object.defineProperties(Buffer.alloc(0), {
      byteLength: { value: this.length },
      copy: {
        value: (target: Uint8Array, at = 0): void => {
          copyParts(this.#parts, target, at);
          this.#isTaken = true;
        },
      },
    });
  }
}
