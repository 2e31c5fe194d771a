import { type MonoTypeOperatorFunction, Observable, type OperatorFunction, Subject } from 'rxjs';
import type { ProcessEvent } from '../process/process-event.js';
import { checkProcessOptions, type ProcessOptions } from '../process/process-options.js';
import type { ProcessResult } from '../process/process-result.js';
import { Process } from '../process/process.js';
import { checkCommand, checkRecord } from '../process/validate.js';

/** Options for {@link toResult} and {@link check}. */
export interface ResultConfig extends Pick<
  ProcessOptions,
  'encoding' | 'retainBytes' | 'overflow' | 'check' | 'scheduler'
> {
  /** The argv that the result names. Default `['command']`. */
  readonly command?: readonly string[];
}

const unnamed = ['command'];

/**
 * Reduces a run's events to its one {@link ProcessResult}. Unsubscribing unsubscribes from the run, which kills it.
 *
 * ```text
 * source       --o--e--o--(x|)     o = stdout, e = stderr, x = exit
 * toResult()   -----------(r|)     r = { returncode, stdout: o + o, stderr: e, ... }
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for bad options.
 * @throws {@link ConnectionLostError} through the error channel, when the source completes without an `exit`.
 *
 * @example
 * ```ts
 * import { toResult, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox.exec$(['id']).pipe(toResult()).subscribe(({ returncode, stdout }) => console.log(returncode, stdout));
 * ```
 */
export function toResult(config: ResultConfig = {}): OperatorFunction<ProcessEvent, ProcessResult> {
  const { command, options } = checkConfig(config);
  return (source) =>
    new Observable((subscriber) => {
      const process = new Process(source, command, options);
      subscriber.add(process.result$.subscribe(subscriber));
      return () => process.cancel();
    });
}

/**
 * Passes a run's events on, and errors with a {@link SandboxExecutionError} that carries the whole result, where the
 * exit status is not 0.
 *
 * ```text
 * source    --o--(x|)     x = { type: 'exit', returncode: 3 }
 * check()   --o--(x#)
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for bad options.
 *
 * @example
 * ```ts
 * import { check, lines, stdout, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox.exec$(['make', 'test']).pipe(check(), stdout(), lines()).subscribe({
 *   next: console.log,
 *   error: (error) => console.error('the tests failed', error),
 * });
 * ```
 */
export function check(
  config: Omit<ResultConfig, 'check'> = {},
): MonoTypeOperatorFunction<ProcessEvent> {
  const { command, options } = checkConfig(config);
  return checkRun(command, options);
}

/** @internal The same of a run that is known by its id. Nothing of the options is checked. */
export function checkRun(
  command: readonly string[],
  options: ProcessOptions,
): MonoTypeOperatorFunction<ProcessEvent> {
  return (source) =>
    new Observable((subscriber) => {
      // Between the source and its Process, so that the events of a synchronous source are passed on as they come.
      const events$: Subject<ProcessEvent> = new Subject();
      const process = new Process(events$, command, { ...options, check: true });
      process.events$.subscribe(subscriber);
      const linked$: Observable<ProcessEvent> = new Observable((inner) => {
        subscriber.add(inner);
        source.subscribe(inner);
      });
      linked$.subscribe(events$);
      return () => process.cancel();
    });
}

function checkConfig(
  config: ResultConfig,
): Required<Pick<ResultConfig, 'command'>> & { readonly options: ProcessOptions } {
  checkRecord('config', config);
  const { command = unnamed, ...options } = config;
  checkCommand(command);
  checkProcessOptions(options);
  return { command, options };
}
