import { requirePuller, type Puller } from '../process/puller.js';
import { Queue } from '../process/queue.js';
import { checkInteger, checkRecord } from '../process/validate.js';
import type { Pullable } from './consume.js';

/** Options for {@link tee}. */
export interface TeeOptions {
  /** How many readers there are. Default 2. */
  readonly readers?: number;
  /** How many values the fastest reader may be ahead of the slowest. Default 16. */
  readonly maxAhead?: number;
}

/**
 * Gives what can be read once to several readers: each gets every value. A value is asked for when a reader wants it and none
 * is `maxAhead` behind, so the slowest sets the pace, down to the process that writes, and what waits is bounded. (The
 * `tee` of a Web stream keeps without a bound what one of its branches does not read.)
 *
 * A reader that leaves is waited for no more; when the last one leaves, the source is closed. An error comes to each of
 * them, after what came before it. Each is for one consumer.
 *
 * ```text
 * source              a b c d            each is asked for when no reader is too far behind
 * reader 1            a b c - - d        waits for reader 2, where maxAhead is 2
 * reader 2            a - - - b c d
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for a source that cannot wait, or bad options.
 *
 * @example
 * ```ts
 * import { consume, tee, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare function store(line: string): Promise<void>;
 * declare function count(line: string): Promise<void>;
 * const [stored, counted] = tee(sandbox.exec(['journalctl', '-f']).stdout.lines());
 * consume(stored, store).subscribe();
 * consume(counted, count).subscribe();
 * ```
 */
export function tee<T>(
  source: Pullable<T>,
  options?: TeeOptions & { readonly readers?: 2 },
): readonly [AsyncIterableIterator<T>, AsyncIterableIterator<T>];
export function tee<T>(
  source: Pullable<T>,
  options: TeeOptions,
): readonly AsyncIterableIterator<T>[];
export function tee<T>(
  source: Pullable<T>,
  options: TeeOptions = {},
): readonly AsyncIterableIterator<T>[] {
  checkRecord('options', options);
  const { readers = 2, maxAhead = 16 } = options;
  checkInteger('readers', readers, { min: 1 });
  checkInteger('maxAhead', maxAhead, { min: 1 });
  const shared = new Shared(requirePuller(source), maxAhead);
  return Array.from({ length: readers }, () => shared.reader());
}

type End = { readonly error: unknown } | 'complete';

/** A source, and those who read it. */
class Shared<T> {
  readonly #open: () => Puller<T>;
  readonly #maxAhead: number;
  readonly #readers: Set<TeeReader<T>> = new Set();
  #puller: Puller<T> | undefined;
  #isPulling = false;

  constructor(open: () => Puller<T>, maxAhead: number) {
    this.#open = open;
    this.#maxAhead = maxAhead;
  }

  reader(): TeeReader<T> {
    const reader: TeeReader<T> = new TeeReader({
      wants: () => {
        this.#pull();
      },
      left: () => {
        this.#readers.delete(reader);
        if (this.#readers.size === 0) this.#close();
        else this.#pull();
      },
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Asks for the next value, where somebody waits for it and nobody is too far behind. */
  #pull(): void {
    const readers = [...this.#readers];
    const isWanted = readers.some(({ isWaiting }) => isWaiting);
    const hasRoom = readers.every(({ behind }) => behind < this.#maxAhead);
    if (this.#isPulling || !isWanted || !hasRoom) return;
    this.#isPulling = true;
    try {
      this.#puller ??= this.#open();
      this.#await(this.#puller.next());
    } catch (error) {
      this.#end({ error });
    }
  }

  #await(next: ReturnType<Puller<T>['next']>): void {
    next.then(
      (piece) => {
        this.#isPulling = false;
        if (piece.done === true) {
          this.#end('complete');
          return;
        }
        for (const reader of this.#readers) reader.give(piece.value);
        this.#pull();
      },
      (error: unknown) => {
        this.#end({ error });
      },
    );
  }

  /** One that nobody has read is opened for it: only so can it be told. */
  #close(): void {
    try {
      this.#puller ??= this.#open();
      this.#puller.stop();
    } catch {
      // Nobody is left who wants to know that it cannot be opened.
    }
  }

  #end(end: End): void {
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const reader of readers) reader.end(end);
  }
}

/** Whoever waits for the next value. */
interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** One of the readers. */
class TeeReader<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #source: { wants(): void; left(): void };
  readonly #values: Queue<T> = new Queue();
  readonly #waiting: Queue<Waiting<T>> = new Queue();
  #end: End | undefined;

  constructor(source: { wants(): void; left(): void }) {
    this.#source = source;
  }

  /** Values that it has not read. */
  get behind(): number {
    return this.#values.length;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  give(value: T): void {
    if (this.isWaiting) this.#waiting.shift().resolve({ done: false, value });
    else this.#values.push(value);
  }

  end(end: End): void {
    this.#end ??= end;
    while (this.isWaiting) this.#answer(this.#waiting.shift());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#values.length > 0) resolve({ done: false, value: this.#values.shift() });
      else if (this.#end !== undefined) this.#answer({ resolve, reject });
      else this.#waiting.push({ resolve, reject });
      // It wants a value, or has made room for one that another wants.
      if (this.#end === undefined) this.#source.wants();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    if (this.#end === undefined) this.#source.left();
    this.#values.clear();
    this.#end = 'complete';
    this.end('complete');
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The error comes once; who asks again is told that it is over. */
  #answer({ resolve, reject }: Waiting<T>): void {
    const end = this.#end;
    this.#end = 'complete';
    if (end === undefined || end === 'complete') resolve({ done: true, value: undefined });
    else reject(end.error);
  }
}
