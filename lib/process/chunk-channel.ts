import { Subject, type Subscriber } from 'rxjs';
import type { Chunk } from './chunk-decoder.js';
import { Decoding } from './decoding.js';
import type { StreamLog } from './stream-log.js';

/** How a stream ended for its consumers. */
export type StreamEnd = 'complete' | { readonly error: unknown };

/**
 * One decoded stream for any number of subscribers: each chunk is decoded once for all of them. It reads the log at
 * its own pace, so a subscriber that joins from within another's callback gets every byte once.
 */
export class ChunkChannel<T extends Chunk> {
  readonly #log: StreamLog;
  readonly #encoding: string;
  readonly #reading: Decoding<T>;
  readonly #live: Subject<T> = new Subject();

  constructor(log: StreamLog, encoding: string) {
    this.#log = log;
    this.#encoding = encoding;
    this.#reading = new Decoding(log, encoding);
    this.advance();
  }

  /** Emits what the log has gained. */
  advance(): void {
    for (let chunk = this.#reading.next(); chunk !== undefined; chunk = this.#reading.next()) {
      if (chunk.length > 0) this.#live.next(chunk);
    }
  }

  /** Emits the rest and ends. */
  finish(end: StreamEnd): void {
    this.advance();
    const rest = this.#reading.end();
    if (rest.length > 0) this.#live.next(rest);
    terminate(this.#live, end);
  }

  /** Gives a subscriber what is retained up to now, and then the live chunks. */
  subscribe(subscriber: Subscriber<T>): void {
    const replay: Decoding<T> = new Decoding(this.#log, this.#encoding);
    while (!subscriber.closed && replay.position < this.#reading.position) {
      const chunk = replay.next(this.#reading.position);
      if (chunk === undefined) break;
      if (chunk.length > 0) subscriber.next(chunk);
    }
    subscriber.add(this.#live.subscribe(subscriber));
  }
}

/** Gives a subscriber all that is retained of a stream that is over. */
export function replayEnded<T extends Chunk>(
  log: StreamLog,
  encoding: string,
  { subscriber, end }: { readonly subscriber: Subscriber<T>; readonly end: StreamEnd },
): void {
  const replay: Decoding<T> = new Decoding(log, encoding);
  for (
    let chunk = replay.next();
    chunk !== undefined && !subscriber.closed;
    chunk = replay.next()
  ) {
    if (chunk.length > 0) subscriber.next(chunk);
  }
  const rest = replay.end();
  if (rest.length > 0) subscriber.next(rest);
  terminate(subscriber, end);
}

/** Completes or errors. */
export function terminate(
  observer: { error(error: unknown): void; complete(): void },
  end: StreamEnd,
): void {
  if (end === 'complete') observer.complete();
  else observer.error(end.error);
}
