import { pipe, type OperatorFunction } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { lines, type LinesConfig } from './lines.js';
import { staged } from './staged.js';

/**
 * Parses newline-delimited JSON: one value a line, blank lines are passed over.
 *
 * `T` is what the caller knows the values to be; nothing checks it.
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
  return pipe(
    lines(config),
    staged<string, T>((subscriber) => {
      let number = 0;
      return {
        next: (line) => {
          number++;
          if (line.trim() !== '') subscriber.next(parseLine(line, number) as T);
        },
      };
    }),
  );
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line;
    throw new SandboxError('ERR_INVALID_JSON', `line ${number} is not JSON: ${shown}`, { cause });
  }
}
