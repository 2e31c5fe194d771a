import type { OperatorFunction, Subscriber } from 'rxjs';
import { defaultMaxLineLength, LineSplitter } from '../process/line-splitter.js';
import { TextStreamDecoder } from '../process/text-stream-decoder.js';
import { checkInteger, checkOneOf, checkRecord } from '../process/validate.js';
import { staged } from './staged.js';

/** Options for {@link lines}. */
export interface LinesConfig {
  /** Longest line, in UTF-16 code units without its terminator. Default 1,048,576. */
  readonly maxLength?: number;
  /**
   * What a `\r` means that no `\n` follows: `'text'` keeps it as any other character, `'redraw'` starts the line over,
   * as progress bars do on a terminal, so that only what was drawn last is emitted. Default `'text'`.
   */
  readonly carriageReturn?: 'text' | 'redraw';
}

/**
 * Splits text, or bytes that are UTF-8, into lines. Lines end at `\n` or `\r\n`, which are not emitted, wherever the
 * chunks were cut. Text after the last terminator is a line too, also when the source errors: the last words of a
 * crashing process are not lost.
 *
 * ```text
 * source    --a----b-----c--|      a = 'he'  b = 'llo\nwor'  c = 'ld'
 * lines()   -------x--------(y|)   x = 'hello'  y = 'world'
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for bad options.
 * @throws {@link OutputLimitError} through the error channel, when a line is longer than `maxLength`; the source is
 * unsubscribed.
 * @see {@link https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap03.html#tag_03_185 | POSIX, Line}
 *
 * @example
 * ```ts
 * import { filter } from 'rxjs';
 * import { lines, stderr, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const errors$ = sandbox
 *   .exec$(['make'])
 *   .pipe(stderr(), lines(), filter((line) => line.includes('error:')));
 * ```
 */
export function lines(config: LinesConfig = {}): OperatorFunction<string | Uint8Array, string> {
  return lineByLine(config, (subscriber) => (line) => {
    subscriber.next(line);
  });
}

/**
 * @internal An operator that takes what it is given apart as {@link lines} does, and emits something else of each line.
 * It is one stage: what a cut-off last line throws, when the source errors, does not take the place of that error.
 */
export function lineByLine<Out>(
  config: LinesConfig,
  open: (subscriber: Subscriber<Out>) => (line: string) => void,
): OperatorFunction<string | Uint8Array, Out> {
  checkRecord('config', config);
  const { maxLength = defaultMaxLineLength, carriageReturn = 'text' } = config;
  checkInteger('maxLength', maxLength, { min: 1 });
  checkOneOf('carriageReturn', carriageReturn, ['text', 'redraw']);
  return staged((subscriber) => {
    const decoder = new TextStreamDecoder('utf-8');
    const splitter = new LineSplitter(maxLength, carriageReturn === 'redraw');
    const take = open(subscriber);
    return {
      next: (chunk) => {
        splitter.push(typeof chunk === 'string' ? chunk : decoder.decode(chunk), take);
      },
      flush: () => {
        splitter.push(decoder.end(), take);
        splitter.end(take);
      },
    };
  });
}
