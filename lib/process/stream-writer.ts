import { Observable, type Subscriber } from 'rxjs';
import { SandboxExecutionError } from './errors/errors.js';
import { LinkedList } from './linked-list.js';
import { OperationRef, startOperation } from './operation-ref.js';
import { Queue } from './queue.js';
import { Settlement } from './settlement.js';
import { encodeStdin, type StdinData, type StdinWrite } from './stdin.js';
import { refuse } from './validate.js';

/** How much may be on its way to the process before a write has to wait for room. */
const maxWrites = 16;
const maxBytes = 1_048_576;

interface PendingWrite {
  readonly data: Uint8Array;
  readonly settlement: Settlement<void>;
  /** Whether the backend was given it. */
  sent: boolean;
}

/**
 * Writes to the standard input of a process. Each call returns an {@link OperationRef} that settles when the data has
 * been accepted, on its way to the process: awaiting each call keeps memory bounded, and a `Uint8Array` may be used
 * again after it. Of the calls that nobody waits for, at most 16 writes or 1 MiB are handed on at a time. A write can be
 * cancelled until it is handed on.
 *
 * @example
 * ```ts
 * import type { Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const process = sandbox.exec(['sort'], { stdin: true });
 * await process.stdin?.writeline('b');
 * await process.stdin?.writeline('a');
 * await process.stdin?.close();
 * console.log((await process).stdout); // 'a\nb\n'
 * ```
 */
export class StreamWriter {
  /** What a backend subscribes to, once. */
  readonly #stdin$: Observable<StdinWrite>;
  readonly #closed: Settlement<void> = new Settlement();
  #subscriber: Subscriber<StdinWrite> | undefined;
  readonly #waiting: Queue<PendingWrite> = new Queue();
  readonly #onTheirWay: LinkedList<PendingWrite> = new LinkedList();
  #bytesOnTheirWay = 0;
  #closing = false;
  #flushing = false;
  #atEof = false;
  /** Why nothing more can be written, from when that is so. */
  #refusal: (() => SandboxExecutionError) | undefined;

  /** @internal */
  constructor() {
    this.#stdin$ = new Observable((subscriber) => {
      this.#subscriber = subscriber;
      subscriber.add(() => {
        this.#unsubscribed();
      });
      this.#flush();
    });
  }

  /** @internal What was written, as a backend takes it. */
  get stdin$(): Observable<StdinWrite> {
    return this.#stdin$;
  }

  /** Settles when standard input is at EOF, or the process takes no more of it. */
  get closed(): OperationRef<void> {
    return startOperation<void>(this.#closed.value$, undefined);
  }

  /**
   * Writes text, encoded as UTF-8, or bytes.
   *
   * @throws {@link SandboxExecutionError} at once, with reason `stdin_closed` after `close()` and when the process has closed
   * its standard input, and `process_over` when the process is over; through the returned operation, with one of these,
   * when that happens before the process took the data. One that ends closes its input shortly before it is known to be over.
   */
  write(data: StdinData): OperationRef<void> {
    return this.#enqueue(encodeStdin(data));
  }

  /**
   * Writes a line of text and a `\n`.
   *
   * @param encoding - `'utf-8'` (default), `'latin1'` or `'utf-16le'`.
   */
  writeline(text: string, encoding: 'utf-8' | 'latin1' | 'utf-16le' = 'utf-8'): OperationRef<void> {
    if (typeof text !== 'string') refuse('text', 'a string', text);
    return this.#enqueue(encodeText(`${text}\n`, encoding));
  }

  /** EOF, after what was written before. May be called again. */
  close(): OperationRef<void> {
    this.#closing = true;
    this.#flush();
    return this.closed;
  }

  /** @internal The process is over: nothing more can be written. */
  end(): void {
    this.#refuse(processOver);
  }

  #refuse(refusal: () => SandboxExecutionError): void {
    this.#refusal = refusal;
    const lost = this.#onTheirWay.takeAll();
    while (this.#waiting.length > 0) lost.push(this.#waiting.shift());
    for (const { settlement } of lost) settlement.settle({ ok: false, error: refusal() });
    this.#closed.settle({ ok: true, value: undefined });
  }

  #unsubscribed(): void {
    // After EOF, what is on its way may still be accepted.
    if (this.#atEof) this.#closed.settle({ ok: true, value: undefined });
    else if (this.#refusal === undefined) this.#refuse(inputClosed);
  }

  #enqueue(data: Uint8Array): OperationRef<void> {
    if (this.#closing) {
      throw new SandboxExecutionError(
        'stdin_closed',
        'stdin was closed; write before calling close()',
      );
    }
    if (this.#refusal !== undefined) throw this.#refusal();
    const settlement: Settlement<void> = new Settlement();
    const write = { data, settlement, sent: false };
    this.#waiting.push(write);
    this.#flush();
    return new WriteRef(write);
  }

  #flush(): void {
    // A write that is accepted at once comes back here: the loop goes on, and the stack does not grow.
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#subscriber !== undefined && this.#refusal === undefined && this.#hasRoom()) {
      const write = this.#next();
      if (write === undefined) break;
      this.#send(this.#subscriber, write);
    }
    this.#flushing = false;
    if (this.#closing && this.#waiting.length === 0) this.#complete();
  }

  #complete(): void {
    if (this.#subscriber === undefined || this.#atEof) return;
    this.#atEof = true;
    this.#subscriber.complete();
  }

  /** The next write that was not taken back. */
  #next(): PendingWrite | undefined {
    while (this.#waiting.length > 0) {
      const write = this.#waiting.shift();
      if (write.settlement.outcome === undefined) return write;
    }
    return undefined;
  }

  #send(subscriber: Subscriber<StdinWrite>, write: PendingWrite): void {
    const { data, settlement } = write;
    write.sent = true;
    const link = this.#onTheirWay.push(write);
    this.#bytesOnTheirWay += data.length;
    subscriber.next({
      data,
      accepted: () => {
        this.#onTheirWay.delete(link);
        this.#bytesOnTheirWay -= data.length;
        settlement.settle({ ok: true, value: undefined });
        this.#flush();
      },
    });
  }

  #hasRoom(): boolean {
    return this.#onTheirWay.size < maxWrites && this.#bytesOnTheirWay < maxBytes;
  }
}

class WriteRef extends OperationRef<void> {
  readonly #write: PendingWrite;

  constructor(write: PendingWrite) {
    super(write.settlement, ignore);
    this.#write = write;
  }

  /** What was handed on cannot be taken back, and its bytes are still in use. */
  override cancel(): boolean {
    return !this.#write.sent && super.cancel();
  }
}

function processOver(): SandboxExecutionError {
  return new SandboxExecutionError(
    'process_over',
    'the process is over; nothing can be written to it',
  );
}

function inputClosed(): SandboxExecutionError {
  return new SandboxExecutionError(
    'stdin_closed',
    'the process takes no more of its standard input: it has closed it, or is ending',
  );
}

function encodeText(text: string, encoding: string): Uint8Array {
  switch (encoding) {
    case 'utf-8':
      return encodeStdin(text);
    case 'latin1':
      return Uint8Array.from(text, (character) => byteOf(character));
    case 'utf-16le': {
      const bytes = new Uint8Array(text.length * 2);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
      return bytes;
    }
    default:
      return refuse('encoding', "'utf-8', 'latin1' or 'utf-16le'", encoding);
  }
}

function byteOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? code : refuse('text', 'characters that latin1 has', character);
}

function ignore(): void {
  // A write that is taken back is passed over when its turn comes.
}
