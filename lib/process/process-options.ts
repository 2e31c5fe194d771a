import type { SchedulerLike } from 'rxjs';
import { chunkDecoder } from './chunk-decoder.js';
import type { FlowLimits, OverflowStrategy } from './flow-control.js';
import type { ProcessControls } from './process-controls.js';
import type { ProcessResult } from './process-result.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkOneOf,
  checkRecord,
  checkScheduler,
  checkText,
  refuse,
} from './validate.js';

/** Told once when a run is over: `(result, null)`, or `(null, error)`. */
export type StatsCallback = (result: ProcessResult | null, error: unknown) => void;

/** How a {@link Process} keeps and decodes the output of its run. */
export interface ProcessOptions {
  /** The run's id. Default: a random UUID. */
  readonly id?: string;
  /**
   * A label of the WHATWG Encoding standard, for `stdout$`, `stdout` and the like; `'buffer'` gives bytes.
   * Default `'utf-8'`.
   */
  readonly encoding?: string;
  /**
   * The last bytes of each stream that are kept for `result()` and late subscribers. Default: all of a stream up to
   * 16 MiB, the last MiB of one that is longer, and `highWaterMark` of one that a `StreamReader` reads.
   */
  readonly retainBytes?: number;
  /** Bytes that an active `StreamReader` holds before it pauses the run. Default 1 MiB. */
  readonly highWaterMark?: number;
  /**
   * What happens to a stream that nobody reads when `retainBytes` are kept: `'dropOldest'` forgets the oldest bytes
   * and counts them, `'backpressure'` pauses the run until they are read, `'fail'` kills the run with an
   * `OutputLimitError`. Reading is what a `StreamReader` does: subscribers are pushed to, and do not count, so with
   * `'backpressure'` both streams need a reader. Default `'dropOldest'`.
   */
  readonly overflow?: OverflowStrategy;
  /** Makes an exit status other than 0 a `SandboxExecutionError`. Default `false`. */
  readonly check?: boolean;
  /** Called exactly once when the run is over, whoever listens. What it throws does not reach the run. */
  readonly statsCallback?: StatsCallback;
  /** Where `durationMs` takes the time from. Default: the system's monotonic clock. */
  readonly scheduler?: SchedulerLike;
  /** How to reach the run beside its events; `Sandbox.exec` sets it. */
  readonly controls?: ProcessControls;
}

/** The options with their defaults. */
export interface ResolvedOptions extends FlowLimits {
  /** The run's id, where it was given. */
  readonly id: string | undefined;
  readonly encoding: string;
  readonly check: boolean;
  readonly statsCallback: StatsCallback | undefined;
  readonly controls: ProcessControls | undefined;
  now(): number;
}

const mebibyte = 1_048_576;
const monotonicNow = (): number => performance.now();

/** How much of each stream a process keeps when nothing else is said. */
const defaultRetainBytes: number = 16 * mebibyte;

/**
 * And of one that is longer, whose result is not whole anyway. V8 collects garbage the more often the more bytes are held
 * by young buffers: a run's events came at 0.98 of the speed of bare 'data' events with the last MiB, at 0.94 with the last 8.
 */
const defaultTailBytes: number = mebibyte;

/** What a handle without options has; one object for all of them. */
export const noOptions: ProcessOptions = {};
const defaults = withDefaults(noOptions);

/** Applies the defaults to checked options. */
export function resolveOptions(options: ProcessOptions): ResolvedOptions {
  return options === noOptions ? defaults : withDefaults(options);
}

function withDefaults(options: ProcessOptions): ResolvedOptions {
  const { scheduler } = options;
  const { retainBytes, highWaterMark = mebibyte } = options;
  return {
    id: options.id,
    encoding: options.encoding ?? 'utf-8',
    retainBytes: retainBytes ?? defaultRetainBytes,
    retainLongBytes: retainBytes ?? defaultTailBytes,
    retainReadBytes: retainBytes ?? Math.min(highWaterMark, defaultRetainBytes),
    highWaterMark,
    overflow: options.overflow ?? 'dropOldest',
    check: options.check ?? false,
    statsCallback: options.statsCallback,
    controls: options.controls,
    now: scheduler === undefined ? monotonicNow : () => scheduler.now(),
  };
}

/** Refuses options of the wrong type or range. */
export function checkProcessOptions(options: ProcessOptions): void {
  checkRecord('options', options);
  checkText('id', options.id);
  if (options.id === '') refuse('id', 'not empty', '');
  checkEncoding(options.encoding);
  checkInteger('retainBytes', options.retainBytes, { min: 0 });
  checkInteger('highWaterMark', options.highWaterMark, { min: 1 });
  checkOneOf('overflow', options.overflow, ['dropOldest', 'backpressure', 'fail']);
  checkBoolean('check', options.check);
  checkFunction('statsCallback', options.statsCallback);
  checkScheduler('scheduler', options.scheduler);
  if (options.controls !== undefined) checkRecord('controls', options.controls);
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined) return;
  checkText('encoding', encoding);
  if (encoding !== 'utf-8') chunkDecoder(encoding);
}
