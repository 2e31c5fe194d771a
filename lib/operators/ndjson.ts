import type { OperatorFunction } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { lineByLine, type LinesConfig } from './lines.js';

/**
 * Parses newline-delimited JSON: one value a line, blank lines are passed over.
 *
 * `T` is what the caller knows the values to be; nothing checks it.
 *
 * When the source errors, a last line that is whole is emitted, one that was cut off is not, and the error is the
 * source's.
 *
 * ```text
 * source     --a-----b----|     a = '{"n":1}\n{"n'   b = '":2}\n'
 * ndjson()   --x-----y----|     x = { n: 1 }         y = { n: 2 }
 * ```
 *
 * @throws {@link SandboxError} through the error channel with code `ERR_INVALID_JSON`, naming the line's number; the
 * source is unsubscribed.
 * @throws {@link OutputLimitError} as {@link lines} does.
 * @see {@link https://github.com/ndjson/ndjson-spec | NDJSON}
 *
 * @example
 * ```ts
 * import { ndjson, stdout, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const command = ['jq', '-c', '.[]', 'people.json'];
 * sandbox.exec$(command).pipe(stdout(), ndjson<{ name: string }>()).subscribe(({ name }) => console.log(name));
 * ```
 */
export function ndjson<T = unknown>(
  config: Pick<LinesConfig, 'maxLength'> = {},
): OperatorFunction<string | Uint8Array, T> {
  return lineByLine<T>(config, (subscriber) => {
    let number = 0;
    return (line) => {
      number++;
      // The lines of a chunk go on after the consumer has left.
      if (subscriber.closed || line.trim() === '') return;
      subscriber.next(parseLine(line, number) as T);
    };
  });
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line;
    throw new SandboxError('ERR_INVALID_JSON', `line ${number} is not JSON: ${shown}`, { cause });
  }
}
