import { concatBytes } from '../../process/bytes.js';
import { encodeStdin } from '../../process/stdin.js';
import type { StreamWriter } from '../../process/stream-writer.js';
import { Queue } from '../../process/queue.js';
import { frameLength, type Frame } from './framing.js';

/** A write is not begun larger than this. */
const maxBatchLength = 65_536;

/**
 * Writes small frames in few writes: while one is on its way, what comes waits to be the next one. Nothing is delayed, and a
 * million lines cost a few hundred writes.
 */
export class FrameWriter {
  /** Length of what waits. */
  waiting = 0;
  readonly #writer: StreamWriter;
  readonly #accepted: () => void;
  readonly #frames: Queue<Frame> = new Queue();
  #isBusy = false;
  #isFlushing = false;
  #isCorked = false;
  #isClosing = false;
  /** The process takes no more: what is left is not written. */
  #isBroken = false;

  /** `accepted` is called when something that waited is on its way. */
  constructor(writer: StreamWriter, accepted: () => void) {
    this.#writer = writer;
    this.#accepted = accepted;
    writer.closed.result$.subscribe({
      next: () => {
        this.#isBroken = true;
      },
      error: ignore,
    });
  }

  push(frame: Frame): void {
    this.waiting += frameLength(frame);
    this.#frames.push(frame);
    this.#flush();
  }

  /** What is pushed from now on waits for {@link FrameWriter.uncork}, to be written together. */
  cork(): void {
    this.#isCorked = true;
  }

  uncork(): void {
    this.#isCorked = false;
    this.#flush();
  }

  /** Forgets the frame that has waited longest. */
  dropOldest(): void {
    this.waiting -= frameLength(this.#frames.shift());
  }

  /** EOF, after what waits. */
  close(): void {
    this.#isClosing = true;
    this.#flush();
  }

  #flush(): void {
    // A write that is accepted at once comes back here: the loop goes on, and the stack does not grow.
    if (this.#isBroken || this.#isFlushing || this.#isCorked) return;
    this.#isFlushing = true;
    while (this.#isReady && this.#frames.length > 0) this.#write(this.#takeBatch());
    this.#isFlushing = false;
    if (this.#isClosing && this.#isReady) this.#writer.close();
  }

  /** A write may end the process before it returns. */
  get #isReady(): boolean {
    return !this.#isBroken && !this.#isBusy;
  }

  #takeBatch(): Uint8Array {
    const batch: Frame[] = [];
    let length = 0;
    while (this.#frames.length > 0 && length < maxBatchLength) {
      const frame = this.#frames.shift();
      length += frameLength(frame);
      batch.push(frame);
    }
    this.waiting -= length;
    return joined(batch);
  }

  #write(data: Uint8Array): void {
    this.#isBusy = true;
    this.#writer.write(data).result$.subscribe({
      next: () => {
        this.#isBusy = false;
        this.#flush();
        this.cork();
        this.#accepted();
        this.uncork();
      },
      error: ignore,
    });
  }
}

function joined(batch: readonly Frame[]): Uint8Array {
  return batch.every((frame) => typeof frame === 'string')
    ? encodeStdin(`${batch.join('\n')}\n`)
    : concatBytes(batch.map(encodeStdin));
}

function ignore(): void {
  // The process is over, which its events tell.
}
