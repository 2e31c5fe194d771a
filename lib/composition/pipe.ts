import type { Subscription } from 'rxjs';
import type { StreamWriter } from '../process/stream-writer.js';

/** So many bytes may be on their way into a process before the one that writes them has to wait. */
const highWaterMark = 262_144;

/** Who writes into a pipe. */
interface PipeOwner {
  /** The pipe became full, or has room again, or nobody reads it any more. */
  changed(): void;
}

/** The way into a process, for one who can be made to wait. */
export class Pipe {
  /** There is no room: the writer has to wait. */
  isFull = false;
  /** Nobody reads it any more. */
  isBroken = false;
  readonly #writer: StreamWriter;
  readonly #owner: PipeOwner;
  readonly #reading: Subscription;
  #onTheirWay = 0;

  constructor(writer: StreamWriter, owner: PipeOwner) {
    this.#writer = writer;
    this.#owner = owner;
    this.#reading = writer.closed.result$.subscribe({
      next: () => {
        this.isBroken = true;
        this.#settle();
      },
      error: ignore,
    });
  }

  /** Takes the bytes, whether there is room or not; `false` where nobody reads them any more. */
  write(data: Uint8Array): boolean {
    if (this.isBroken) return false;
    this.#onTheirWay += data.length;
    this.#writer.write(data).result$.subscribe({
      next: () => {
        this.#onTheirWay -= data.length;
        this.#settle();
      },
      error: ignore,
    });
    this.#settle();
    return true;
  }

  /** EOF, after what was written. */
  close(): void {
    this.#reading.unsubscribe();
    this.#writer.close();
  }

  /** Room for half has to be there before the writer goes on, so that it does not stutter. */
  #settle(): void {
    const limit = this.isFull ? highWaterMark / 2 : highWaterMark;
    const isFull = !this.isBroken && this.#onTheirWay >= limit;
    if (isFull === this.isFull && !this.isBroken) return;
    this.isFull = isFull;
    this.#owner.changed();
  }
}

function ignore(): void {
  // The process is over, which the writer's end has told.
}
