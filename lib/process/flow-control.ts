import type { OutputLog } from './output-log.js';
import type { OutputStream } from './process-event.js';

/** What happens to a stream that nobody reads when `retainBytes` of it are kept. */
export type OverflowStrategy = 'dropOldest' | 'backpressure' | 'fail';

/** The bounds of one run's memory. */
export interface FlowLimits {
  readonly retainBytes: number;
  readonly highWaterMark: number;
  readonly overflow: OverflowStrategy;
}

const streams = ['stdout', 'stderr'] as const;

/**
 * Keeps a run's memory within its limits: drops what is old and was read or is not wanted, and says when the run
 * has to pause because a reader, or a stream that must not lose a byte, is behind.
 */
export class FlowControl {
  /** Whether the run should be paused now. */
  paused = false;
  readonly #log: OutputLog;
  readonly #limits: FlowLimits;
  /** Up to where each stream was read; undefined before the first read and after its reader was closed. */
  readonly #read: Record<OutputStream, number | undefined> = {
    stdout: undefined,
    stderr: undefined,
  };
  readonly #abandoned: { stdout?: true; stderr?: true } = {};

  constructor(log: OutputLog, limits: FlowLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  /** Applies the limits after `stream` grew. `false` when it outgrew them and they say to fail. */
  grown(stream: OutputStream): boolean {
    const log = this.#log[stream];
    const read = this.#read[stream];
    const oldest = log.end - this.#limits.retainBytes;
    if (read === undefined && oldest > log.start && !this.#abandoned[stream]) {
      if (this.#limits.overflow === 'fail') return false;
      if (this.#limits.overflow === 'dropOldest') log.dropBefore(oldest);
    } else {
      log.dropBefore(read === undefined ? oldest : Math.min(oldest, read));
    }
    if (!this.paused) this.#decide();
    return true;
  }

  /** A reader of `stream` has read up to `position`. Its first call makes the stream exert backpressure. */
  read(stream: OutputStream, position: number): void {
    this.#read[stream] = position;
    this.#trim(stream);
  }

  /** The reader of `stream` was closed: nobody waits for its bytes any more. */
  abandon(stream: OutputStream): void {
    this.#read[stream] = undefined;
    this.#abandoned[stream] = true;
    this.#trim(stream);
  }

  #trim(stream: OutputStream): void {
    const log = this.#log[stream];
    const oldest = log.end - this.#limits.retainBytes;
    log.dropBefore(Math.min(oldest, this.#read[stream] ?? oldest));
    this.#decide();
  }

  #decide(): void {
    this.paused = streams.some((stream) => this.#isBehind(stream));
  }

  /** A stream that is behind has to catch up by half before the run goes on, so that it does not stutter. */
  #isBehind(stream: OutputStream): boolean {
    const log = this.#log[stream];
    const read = this.#read[stream];
    const slack = this.paused ? 0.5 : 1;
    if (read !== undefined) return log.end - read >= this.#limits.highWaterMark * slack;
    if (this.#limits.overflow !== 'backpressure' || this.#abandoned[stream]) return false;
    const kept = log.end - log.start;
    return kept > 0 && kept >= this.#limits.retainBytes;
  }
}
