import type { Chunk } from './chunk-decoder.js';
import type { StreamEnd } from './chunk-channel.js';
import { Decoding } from './decoding.js';
import { LineSplitter } from './line-splitter.js';
import type { StreamLog } from './stream-log.js';
import { TextStreamDecoder } from './text-stream-decoder.js';

/** The run behind a reader, as far as the reader needs it. */
export interface ReaderSource {
  readonly log: StreamLog;
  readonly encoding: string;
  /** How the stream ended; `undefined` while it goes on. */
  end(): StreamEnd | undefined;
  /** The reader has read up to this offset. */
  read(offset: number): void;
  /** The reader was closed. */
  close(): void;
}

/** A call that is answered later. */
class Answer<T> {
  readonly promise: Promise<T>;
  resolve: (value: T) => void = ignore;
  reject: (error: unknown) => void = ignore;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

const over: IteratorResult<never, undefined> = { done: true, value: undefined };

/**
 * Reads one output stream of a process at the consumer's own pace, without loss: from its first read on, it holds at
 * most `highWaterMark` bytes and then pauses the process itself. For one consumer.
 *
 * It ends where the stream ends, and throws the run's error where the run fails or is cancelled, after everything
 * that came before. Leaving a `for await` loop closes the reader.
 *
 * @example
 * ```ts
 * import type { Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare function store(line: string): Promise<void>;
 * const process = sandbox.exec(['journalctl', '-o', 'json']);
 * for await (const line of process.stdout.lines()) await store(line); // journalctl waits for the store
 * ```
 */
export class StreamReader<T extends Chunk> implements AsyncIterable<T> {
  readonly #source: ReaderSource;
  #decoding: Decoding<T> | undefined;
  #closed = false;
  #polling = false;
  /** Bytes that never came, after the last that did. */
  #missingAtEnd = 0;
  /** The call that waits for the stream to grow or to end. */
  #waiting: Answer<IteratorResult<T, undefined>> | undefined;
  /** The last of the calls that wait for their turn after that one. */
  #lastQueued: Promise<unknown> | undefined;

  /** @internal */
  constructor(source: ReaderSource) {
    this.#source = source;
  }

  /** How many bytes are missing so far: retention had dropped them before the first read, or they never came. */
  get droppedBytes(): number {
    return (this.#decoding?.missingBytes ?? 0) + this.#missingAtEnd;
  }

  /** Reads until the end of the stream; leaving the loop closes the reader. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.close();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /**
   * Reads line by line. Lines end at `\n` or `\r\n`, which are not part of them; the last one needs no terminator.
   *
   * @throws {@link OutputLimitError} when a line is longer than 1 MiB (1,048,576 UTF-16 code units).
   */
  async *lines(): AsyncGenerator<string, undefined, undefined> {
    const splitter = new LineSplitter();
    const decoder = new TextStreamDecoder('utf-8');
    let found: string[] = [];
    const collect = (line: string): void => void found.push(line);
    try {
      for await (const chunk of this) {
        splitter.push(typeof chunk === 'string' ? chunk : decoder.decode(chunk), collect);
        for (const line of found) yield line;
        found = [];
      }
    } catch (error) {
      // What came before the failure is not lost: the lines of the last chunk, and the one that was cut short.
      splitter.push(decoder.end(), collect);
      splitter.end(collect);
      for (const line of found) yield line;
      throw error;
    }
    splitter.push(decoder.end(), collect);
    splitter.end(collect);
    for (const line of found) yield line;
    return undefined;
  }

  /** The same stream as a Web `ReadableStream`; cancelling it closes the reader. */
  toReadableStream(): ReadableStream<T> {
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          const { done, value } = await this.#next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => {
          this.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Stops reading: a pause that this reader caused is undone, and what was not read is no longer kept for it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
    this.notify();
  }

  /** @internal The stream grew or ended. */
  notify(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.#polling) return;
    try {
      const result = this.#poll();
      if (result === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(result);
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error);
    }
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    const before = this.#lastQueued ?? this.#waiting?.promise;
    return before === undefined ? this.#answer() : this.#answerAfter(before);
  }

  /** Calls are answered in the order in which they were made. */
  #answerAfter(before: Promise<unknown>): Promise<IteratorResult<T, undefined>> {
    const answer = (): Promise<IteratorResult<T, undefined>> => {
      if (this.#lastQueued === queued) this.#lastQueued = undefined;
      return this.#answer();
    };
    const queued = before.then(answer, answer);
    this.#lastQueued = queued;
    return queued;
  }

  #answer(): Promise<IteratorResult<T, undefined>> {
    try {
      const result = this.#poll();
      if (result !== undefined) return Promise.resolve(result);
    } catch (error) {
      return Promise.resolve().then(() => {
        throw error;
      });
    }
    this.#waiting = new Answer();
    return this.#waiting.promise;
  }

  /** What can be said without waiting. Throws what the stream ends with. */
  #poll(): IteratorResult<T, undefined> | undefined {
    if (this.#closed) return over;
    // Reading can come back here: it pauses and resumes the run, and closes this reader at the end.
    this.#polling = true;
    try {
      const decoding = (this.#decoding ??= this.#begin());
      for (let chunk = decoding.next(); chunk !== undefined; chunk = decoding.next()) {
        this.#source.read(decoding.position);
        if (chunk.length > 0) return { done: false, value: chunk };
      }
      const end = this.#source.end();
      return end && this.#finish(decoding, end);
    } finally {
      this.#polling = false;
    }
  }

  #begin(): Decoding<T> {
    const decoding: Decoding<T> = new Decoding(this.#source.log, this.#source.encoding);
    this.#source.read(decoding.position);
    return decoding;
  }

  #finish(decoding: Decoding<T>, end: StreamEnd): IteratorResult<T, undefined> {
    this.#missingAtEnd = this.#source.log.end - decoding.position;
    const rest = decoding.end();
    if (rest.length > 0) return { done: false, value: rest };
    this.close();
    if (end === 'complete') return over;
    throw end.error;
  }
}

function ignore(): void {
  // Replaced before anybody can call it.
}
