import type { Observable, ObservableInput } from 'rxjs';
import { OutputLimitError } from '../../process/errors/errors.js';
import type { OverflowStrategy } from '../../process/flow-control.js';
import { isInput, pullerOf } from '../../process/puller.js';
import {
  checkCommand,
  checkFunction,
  checkInteger,
  checkOneOf,
  refuse,
} from '../../process/validate.js';
import { checkRunOptions, type RunOptions } from '../../sandbox/exec-options.js';
import { Sandbox } from '../../sandbox/sandbox.js';
import { framings, type Framing } from './framing.js';

/**
 * An operator that also takes what can be made to wait: give an iterable, an async iterable (such as a `StreamReader`) or a
 * Web stream to it as its argument, and it is read only as fast as the process reads.
 */
export type Through<In, Out> = (
  source: ObservableInput<In> | ReadableStream<In>,
) => Observable<Out>;

/** Options for {@link through}. */
export interface ThroughOptions extends Omit<RunOptions, 'stdin' | 'check' | 'tty' | 'id'> {
  /** How values are written and read. Default `'lines'`. */
  readonly framing?: Framing;
  /** The longest line (UTF-16 code units, default 1,048,576) or frame (bytes, default 16 MiB) that is read. */
  readonly maxLength?: number;
  /**
   * How much may wait for the process, in bytes (of text, in UTF-16 code units): a source that can wait is not read further
   * then. Default 1 MiB.
   */
  readonly bufferBytes?: number;
  /**
   * What happens when an Observable, which cannot wait, has more than that waiting: `'fail'` errors with an
   * `OutputLimitError`, `'dropOldest'` forgets the values that have waited longest, `'backpressure'` refuses Observables
   * from the start. Default `'fail'`.
   */
  readonly overflow?: OverflowStrategy;
  /** Told how many values `'dropOldest'` has forgotten, each time it does. */
  readonly onDrop?: (count: number) => void;
}

/** How much may wait for a process. */
export interface WaitLimits {
  readonly bufferBytes: number;
  readonly overflow: OverflowStrategy;
  readonly onDrop: ((count: number) => void) | undefined;
}

/** The limits with their defaults. */
export function limitsOf({
  bufferBytes = 1_048_576,
  overflow = 'fail',
  onDrop,
}: ThroughOptions): WaitLimits {
  return { bufferBytes, overflow, onDrop };
}

/** Whether a source cannot be made to wait, where the options permit that. */
export function isPushed<T>(
  source: ObservableInput<T> | ReadableStream<T>,
  { overflow }: WaitLimits,
): boolean {
  if (!isInput(source))
    refuse('the source', 'an Observable, an iterable, a Promise or a Web stream', source);
  if (pullerOf(source) !== undefined) return false;
  if (overflow === 'backpressure')
    refuse(
      "the source, with overflow 'backpressure',",
      'an iterable or a Web stream, which can wait',
      source,
    );
  return true;
}

/** More waits than may. */
export function overflown({ bufferBytes }: WaitLimits): OutputLimitError {
  return new OutputLimitError(
    `more than bufferBytes (${bufferBytes}) wait for the process with overflow 'fail'; raise bufferBytes, or give a source` +
      ' that can wait, such as an async iterable, as the argument of the operator',
    bufferBytes,
  );
}

/** Refuses what is wrong with a sandbox, a command or options. */
export function checkThrough(
  sandbox: Sandbox,
  command: readonly string[],
  options: ThroughOptions,
): void {
  if (!(sandbox instanceof Sandbox)) refuse('sandbox', 'a Sandbox', sandbox);
  checkCommand(command);
  checkRunOptions(options);
  for (const name of ['stdin', 'check', 'tty', 'id'])
    if (name in options) refuse(name, 'left out: it is not an option here', true);
  checkOneOf('framing', options.framing, framings);
  checkInteger('maxLength', options.maxLength, { min: 1 });
  checkInteger('bufferBytes', options.bufferBytes, { min: 1 });
  checkOneOf('overflow', options.overflow, ['backpressure', 'dropOldest', 'fail']);
  checkFunction('onDrop', options.onDrop);
}
