import { Observable, type Subscriber } from 'rxjs';
import type { StdinWrite } from '../process/stdin.js';
import { exhausted } from './limits.js';

/** So much input may wait for the process before its writer is made to wait. */
const fullBytes = 1_048_576;
/** What a write costs beside its bytes. */
const overheadBytes = 64;

/** Who writes to a process. */
export interface StdinSender {
  /** Stops sending, or goes on. */
  pause(paused: boolean): void;
  /** So much of it has been taken, from the beginning on. */
  accepted?(bytes: number): void;
  /** Nobody will read what comes from now on. */
  left?(): void;
  /** Somebody else writes from now on. */
  replaced?(): void;
}

/** Who sends nothing: before a writer has come, and after its call broke. */
export const noSender: StdinSender = {
  pause: () => undefined,
};

/** Input on its way to a process, which may not have begun to read. */
export class StdinBuffer {
  /** As a backend takes it. */
  readonly stdin$: Observable<StdinWrite>;
  readonly #maxBytes: number;
  /** What came before anybody read it. */
  readonly #waiting: Uint8Array[] = [];
  #sender: StdinSender;
  #reader: Subscriber<StdinWrite> | undefined;
  #received = 0;
  #accepted = 0;
  /** What waits, with what each write costs. */
  #waitingBytes = 0;
  #hasEnded = false;
  #isLeft = false;

  /** Holds `maxBytes` at most. */
  constructor(maxBytes: number, sender: StdinSender) {
    this.#maxBytes = maxBytes;
    this.#sender = sender;
    this.stdin$ = new Observable((subscriber) => {
      this.#readBy(subscriber);
    });
  }

  /** How much has come. */
  get received(): number {
    return this.#received;
  }

  /** How much of it has been taken. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Whether nobody reads any more, or all has been taken to the end. */
  get isOver(): boolean {
    return this.#isLeft || (this.#hasEnded && this.#accepted === this.#received);
  }

  /** This one writes from now on, and nobody else. */
  sentBy(sender: StdinSender): void {
    const before = this.#sender;
    this.#sender = sender;
    before.replaced?.();
    sender.pause(this.#isFull);
  }

  /** This one writes no more. What came of it stays. */
  lostBy(sender: StdinSender): void {
    if (this.#sender === sender) this.#sender = noSender;
  }

  /** @throws SandboxError with code `ERR_RESOURCE_EXHAUSTED` where too much would wait; then nothing of it was taken */
  write(data: Uint8Array): void {
    if (data.length === 0 || this.#hasEnded || this.#isLeft) return;
    if (this.#received + data.length - this.#accepted > this.#maxBytes)
      throw exhausted(`stdin: more than ${this.#maxBytes} bytes of it wait`);
    this.#received += data.length;
    this.#waitingBytes += data.length + overheadBytes;
    if (this.#isFull) this.#sender.pause(true);
    if (this.#reader === undefined) this.#waiting.push(data);
    else this.#hand(this.#reader, data);
  }

  /** EOF, after what was written before. */
  end(): void {
    this.#hasEnded = true;
    this.#reader?.complete();
  }

  /** Nobody reads any more: what still comes is dropped, so that its writer can go on. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#sender.pause(false);
    this.#sender.left?.();
  }

  get #isFull(): boolean {
    const isWanted = !this.#isLeft && !this.#hasEnded;
    return isWanted && this.#waitingBytes >= Math.min(fullBytes, this.#maxBytes);
  }

  #readBy(reader: Subscriber<StdinWrite>): void {
    this.#reader = reader;
    for (const data of this.#waiting.splice(0)) this.#hand(reader, data);
    if (this.#hasEnded) reader.complete();
    reader.add(() => {
      // What is on its way at the end may still be taken.
      if (this.#hasEnded) this.#sender.pause(false);
      else this.leave();
    });
  }

  #hand(reader: Subscriber<StdinWrite>, data: Uint8Array): void {
    const { length } = data;
    const accepted = (): void => {
      this.#accepted += length;
      this.#waitingBytes -= length + overheadBytes;
      if (!this.#isFull) this.#sender.pause(false);
      this.#sender.accepted?.(this.#accepted);
    };
    reader.next({ data, accepted });
  }
}
