import { takeWhile, type OperatorFunction } from 'rxjs';
import { refuse } from '../process/validate.js';
import { lines } from './lines.js';

/**
 * Splits text, or bytes that are UTF-8, into lines as {@link lines} does, up to the first that matches, which is emitted too.
 * Then it completes, and unsubscribes from the source; of a run, that is its end. It completes with the source where no line
 * matches.
 *
 * ```text
 * source                --a-----b-----c-->     a = 'start\nlis'  b = 'tening\nmore'
 * untilLine(/listen/)   --x-----(y|)           x = 'start'       y = 'listening'
 * ```
 *
 * @param pattern - Tried on each line from its start; `lastIndex` has no meaning.
 * @throws {@link SandboxValidationError} at once, for what is no regular expression.
 * @throws {@link OutputLimitError} as {@link lines} does.
 * @see {@link waitForLine} to wait for a line of a process that runs on.
 *
 * @example
 * ```ts
 * import { untilLine, type Process } from 'sandbox-rx';
 *
 * declare const server: Process;
 * server.stdout$.pipe(untilLine(/listening/)).subscribe(console.log); // its log while it starts
 * ```
 */
export function untilLine(pattern: RegExp): OperatorFunction<string | Uint8Array, string> {
  const matches = matcherOf(pattern);
  return (source) =>
    source.pipe(
      lines(),
      takeWhile((line) => matches(line) === null, true),
    );
}

/** @internal What a pattern finds in a line, whatever it was used for before. */
export function matcherOf(pattern: unknown): (line: string) => RegExpExecArray | null {
  if (!(pattern instanceof RegExp)) refuse('pattern', 'a regular expression', pattern);
  const fresh = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return (line) => fresh.exec(line);
}
