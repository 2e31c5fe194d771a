import { Observable, type Subscriber } from 'rxjs';
import type { StdinWrite } from '../../process/stdin.js';

/**
 * So many bytes may be on their way into a process before the one that writes them has to wait. V8 collects garbage the more
 * often the more of them there are: with a mebibyte, three commands in a row were a quarter slower.
 */
const highWaterMark = 131_072;

/** The way from one process to the next, whose standard input it is. */
export class Pipe {
  /** To be subscribed to once. */
  readonly stdin$: Observable<StdinWrite>;
  /** There is no room: the writer has to wait. */
  isFull = false;
  /** Nobody reads it any more. */
  isBroken = false;
  #subscriber: Subscriber<StdinWrite> | undefined;
  /** What came before the reader has begun. */
  #early: Uint8Array[] = [];
  #onTheirWay = 0;
  #isClosed = false;
  #tell: () => void = ignore;

  constructor() {
    this.stdin$ = new Observable((subscriber) => {
      this.#subscriber = subscriber;
      subscriber.add(() => {
        this.break();
      });
      for (const data of this.#early.splice(0)) this.#send(subscriber, data);
      if (this.#isClosed) subscriber.complete();
    });
  }

  /** `tell` is called when it became full, has room again, or nobody reads it any more. */
  connect(tell: () => void): void {
    this.#tell = tell;
  }

  /** Takes the bytes, whether there is room or not; `false` where nobody reads them any more. */
  write(data: Uint8Array): boolean {
    if (this.isBroken) return false;
    this.#onTheirWay += data.length;
    if (this.#subscriber === undefined) this.#early.push(data);
    else this.#send(this.#subscriber, data);
    this.#settle();
    return true;
  }

  /** EOF, after what was written. */
  close(): void {
    this.#isClosed = true;
    this.#subscriber?.complete();
  }

  /** Nobody reads it any more. */
  break(): void {
    if (this.isBroken) return;
    this.isBroken = true;
    this.#early = [];
    this.#settle();
  }

  #send(subscriber: Subscriber<StdinWrite>, data: Uint8Array): void {
    const { length } = data;
    subscriber.next({
      data,
      accepted: () => {
        this.#onTheirWay -= length;
        this.#settle();
      },
    });
  }

  /** Room for half has to be there before the writer goes on, so that it does not stutter. */
  #settle(): void {
    const limit = this.isFull ? highWaterMark / 2 : highWaterMark;
    const isFull = !this.isBroken && this.#onTheirWay >= limit;
    if (isFull === this.isFull) return;
    this.isFull = isFull;
    this.#tell();
  }
}

function ignore(): void {
  // Replaced when there is somebody to tell.
}
