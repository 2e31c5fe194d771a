import { Observable, type ObservableInput } from 'rxjs';
import { isInput } from '../../process/puller.js';
import { refuse } from '../../process/validate.js';
import { Fleet } from './fleet.js';
import type { RunAllEvent } from './run-all-event.js';
import { planOf, type CommandInput, type RunAllOptions } from './run-all-options.js';

/**
 * Runs many commands, `concurrency` at a time, and tells what becomes of each: in one sandbox, in those of a pool, or each
 * in its own. Cold: each subscription runs them all, and unsubscribing kills everything in flight.
 *
 * ```text
 * commands$                abc|
 * runAll, concurrency: 2   st--(yu)--z--(x|)   s, t, u = a, b, c started; x, y, z = they finished
 * the same, ordered        st--u--------(xyz|)
 * stopOnError, b fails     st--(yx#)           y = failed; x = failed too: it was killed
 * unsubscribed             st-!                both are killed
 * ```
 *
 * Each command that was started is told to be over exactly once, as `finished` or `failed`, unless the consumer left. An
 * exit status other than 0 is a `finished` one, unless `check: true` makes it an error. Where all are ended, because of
 * `stopOnError`, `totalTimeoutMs` or an error of `commands$`, those that were killed are told as `failed` with a
 * `CancelledError` before the Observable errors.
 *
 * @param commands$ - Finite or endless. Iterables, asynchronous ones too, are pulled as there is room; what an Observable
 * pushes before that is queued.
 * @throws {@link SandboxValidationError} at once, for bad options. A bad command is told as `failed`.
 * @throws {@link SandboxTimeoutError} through the error channel, after `totalTimeoutMs`.
 *
 * With `retry`, runs have ids where the backend can find them by one (`capabilities.attach`). One whose connection was lost
 * is then looked for in its sandbox, and goes on where it is: it is not started a second time. Elsewhere such a run is not
 * tried again, unless `retry.when` says so.
 *
 * @example
 * ```ts
 * import { runAll, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const commands = ['a', 'b', 'c'].map((name) => ['convert', `${name}.png`, `${name}.webp`]);
 * runAll(commands, { sandbox, concurrency: 2, timeoutMs: 60_000 }).subscribe((event) => {
 *   const { total, remainingMs } = event.progress;
 *   if (event.type === 'finished') console.log(event.index, event.result.returncode, total, remainingMs);
 *   if (event.type === 'failed') console.error(event.index, event.error);
 * });
 * ```
 *
 * @see {@link toResults} and {@link toSummary} for what most want of it.
 */
export function runAll(
  commands$: ObservableInput<CommandInput> | ReadableStream<CommandInput>,
  options: RunAllOptions,
): Observable<RunAllEvent> {
  const plan = planOf(options);
  if (!isInput(commands$))
    refuse(
      'commands$',
      'an array, an iterable, an Observable, a Promise or a Web stream',
      commands$,
    );
  return new Observable((subscriber) => {
    new Fleet(commands$, plan, subscriber).start();
  });
}
