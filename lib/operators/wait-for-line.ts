import { filter, map, merge, take, throwIfEmpty, type Observable } from 'rxjs';
import type { Chunk } from '../process/chunk-decoder.js';
import { SandboxExecutionError } from '../process/errors/errors.js';
import { waitFor, type WaitOptions } from '../process/operation-ref.js';
import type { OutputStream } from '../process/process-event.js';
import { Process } from '../process/process.js';
import { checkOneOf, checkRecord, refuse } from '../process/validate.js';
import { lines } from './lines.js';
import { matcherOf } from './until-line.js';

/** Options for {@link waitForLine}. */
export interface WaitForLineOptions extends WaitOptions {
  /** Which output to look at. Default: both. */
  readonly stream?: OutputStream;
}

/**
 * Waits until a process has written a line that matches, and gives what the pattern found in it. The process runs on. Lines
 * that were written before count too, as far as they are kept.
 *
 * ```text
 * stdout$                     --a----b----->     b = 'listening on 8080'
 * waitForLine(p, /on (\d+)/)  -------r           r = ['on 8080', '8080']
 * ```
 *
 * @param pattern - Tried on each line from its start; `lastIndex` has no meaning.
 * @throws {@link SandboxValidationError} (rejection) for a bad argument.
 * @throws {@link TimeoutError} (rejection) when `timeoutMs` is up, {@link CancelledError} when `signal` is aborted.
 * @throws {@link OutputLimitError} (rejection) for a line of more than 1,048,576 UTF-16 code units that comes before, on any
 * of the streams that are looked at: name one of them with `stream` where the other has such lines.
 * @throws {@link SandboxExecutionError} (rejection) with reason `process_over`, where the process has ended without such a
 * line; the run's own error, where it failed.
 *
 * @example
 * ```ts
 * import { waitForLine, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const server = sandbox.exec(['python3', '-u', '-m', 'http.server', '0']);
 * const [, port] = await waitForLine(server, /port (\d+)/, { timeoutMs: 10_000 });
 * ```
 */
export async function waitForLine(
  process: Process | Process<Uint8Array>,
  pattern: RegExp,
  options: WaitForLineOptions = {},
): Promise<RegExpExecArray> {
  if (!(process instanceof Process)) refuse('process', 'a Process', process);
  const find = matcherOf(pattern);
  checkRecord('options', options);
  const { stream, ...wait } = options;
  checkOneOf('stream', stream, ['stdout', 'stderr']);
  const found = (output$: Observable<Chunk>): Observable<RegExpExecArray> =>
    output$.pipe(
      lines(),
      map(find),
      filter((match) => match !== null),
    );
  const streams: readonly OutputStream[] = stream === undefined ? ['stdout', 'stderr'] : [stream];
  const found$ = merge(...streams.map((name) => found(process[`${name}$`]))).pipe(
    take(1),
    throwIfEmpty(() => endedWithout(pattern, process)),
  );
  return waitFor(found$, wait);
}

function endedWithout(
  pattern: RegExp,
  { command, returncode }: { command: readonly string[]; returncode: number | null },
): SandboxExecutionError {
  const how = returncode === null ? 'was cancelled' : `ended with status ${returncode}`;
  return new SandboxExecutionError(
    'process_over',
    `${command[0] ?? ''} ${how} before a line of its output matched ${String(pattern)}`,
  );
}
