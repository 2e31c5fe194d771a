import type { OutputLog } from './output-log.js';
import type { OutputStream } from './process-event.js';
import type { StreamLog } from './stream-log.js';

/** What happens to a stream that nobody reads when `retainBytes` of it are kept. */
export type OverflowStrategy = 'dropOldest' | 'backpressure' | 'fail';

/** The bounds of one run's memory. */
export interface FlowLimits {
  readonly retainBytes: number;
  /** As `retainBytes`, of a stream that has outgrown it. */
  readonly retainLongBytes: number;
  /** As `retainBytes`, of a stream that is being read. */
  readonly retainReadBytes: number;
  readonly highWaterMark: number;
  readonly overflow: OverflowStrategy;
}

/** How far one stream's reader is. */
interface StreamFlow {
  readonly log: StreamLog;
  /** Up to where the stream was read; undefined before the first read and after its reader was closed. */
  read: number | undefined;
  /** The reader was closed: nobody waits for the stream's bytes any more. */
  abandoned: boolean;
  /** It has outgrown `retainBytes`. */
  isLong: boolean;
}

/**
 * Keeps a run's memory within its limits: drops what is old and was read or is not wanted, and says when the run
 * has to pause because a reader, or a stream that must not lose a byte, is behind.
 */
export class FlowControl {
  /** Whether the run should be paused now. */
  paused = false;
  readonly #limits: FlowLimits;
  readonly #stdout: StreamFlow;
  readonly #stderr: StreamFlow;

  constructor(log: OutputLog, limits: FlowLimits) {
    this.#limits = limits;
    this.#stdout = { log: log.stdout, read: undefined, abandoned: false, isLong: false };
    this.#stderr = { log: log.stderr, read: undefined, abandoned: false, isLong: false };
  }

  /** Applies the limits after `stream` grew. `false` when it outgrew them and they say to fail. */
  grown(stream: OutputStream): boolean {
    const flow = this.#flow(stream);
    const isUnread = flow.read === undefined && !flow.abandoned;
    if (isUnread && this.#limits.overflow !== 'dropOldest') {
      const isOutgrown = flow.log.end - this.#limits.retainBytes > flow.log.start;
      if (isOutgrown && this.#limits.overflow === 'fail') return false;
    } else {
      this.#dropOldest(flow);
    }
    if (!this.paused) this.#decide();
    return true;
  }

  /** A reader of `stream` has read up to `position`. Its first call makes the stream exert backpressure. */
  read(stream: OutputStream, position: number): void {
    const flow = this.#flow(stream);
    flow.read = position;
    this.#dropOldest(flow);
    this.#decide();
  }

  /** The reader of `stream` was closed. */
  abandon(stream: OutputStream): void {
    const flow = this.#flow(stream);
    flow.read = undefined;
    flow.abandoned = true;
    this.#dropOldest(flow);
    this.#decide();
  }

  #flow(stream: OutputStream): StreamFlow {
    return stream === 'stdout' ? this.#stdout : this.#stderr;
  }

  #dropOldest(flow: StreamFlow): void {
    const { log, read } = flow;
    const { retainBytes, retainLongBytes, retainReadBytes } = this.#limits;
    if (read !== undefined) {
      log.dropBefore(Math.min(read, log.end - retainReadBytes));
      return;
    }
    flow.isLong ||= log.end - log.start > retainBytes;
    log.dropBefore(log.end - (flow.isLong ? retainLongBytes : retainBytes));
  }

  #decide(): void {
    this.paused = this.#isBehind(this.#stdout) || this.#isBehind(this.#stderr);
  }

  /** A stream that is behind has to catch up by half before the run goes on, so that it does not stutter. */
  #isBehind({ log, read, abandoned }: StreamFlow): boolean {
    const slack = this.paused ? 0.5 : 1;
    if (read !== undefined) return log.end - read >= this.#limits.highWaterMark * slack;
    if (this.#limits.overflow !== 'backpressure' || abandoned) return false;
    const kept = log.end - log.start;
    return kept > 0 && kept >= this.#limits.retainBytes;
  }
}
