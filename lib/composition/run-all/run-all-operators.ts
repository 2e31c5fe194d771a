import type { OperatorFunction } from 'rxjs';
import { staged } from '../../operators/staged.js';
import type { ProcessResult } from '../../process/process-result.js';
import type { CommandFailed, RunAllEvent, RunAllProgress } from './run-all-event.js';

/**
 * Picks the results from what {@link runAll} tells; errors with the error of the first command that failed, which ends the
 * others.
 *
 * ```text
 * source        -s-s-x-(sy)-|     s = started, x, y = finished
 * toResults()   -----x--y---|     x, y = their results
 * ```
 *
 * @example
 * ```ts
 * import { runAll, toResults, type SandboxClient } from 'sandbox-rx';
 *
 * declare const client: SandboxClient;
 * runAll([['id'], ['uname']], { client, ordered: true })
 *   .pipe(toResults())
 *   .subscribe(({ stdout }) => console.log(stdout));
 * ```
 */
export function toResults(): OperatorFunction<RunAllEvent, ProcessResult> {
  return staged((subscriber) => ({
    next: (event) => {
      if (event.type === 'finished') subscriber.next(event.result);
      if (event.type === 'failed') subscriber.error(event.error);
    },
  }));
}

/** What became of many commands. */
export interface RunAllSummary {
  /** Those that ran to their end. */
  readonly finished: number;
  /** Of these, those with exit status 0. */
  readonly succeeded: number;
  readonly failed: number;
  /** How often a command was tried again. */
  readonly retried: number;
  /** From the subscription to the last outcome, in milliseconds. */
  readonly elapsedMs: number;
  /** Those that failed, with their errors. */
  readonly failures: readonly CommandFailed[];
}

/**
 * Reduces what {@link runAll} tells to one summary, when all commands are over; where it errors, before the error. It keeps
 * no results.
 *
 * ```text
 * source        -s-s-x-(sy)-f|       s = started, x, y = finished, f = failed
 * toSummary()   -------------(r|)    r = { finished: 2, failed: 1, failures: [f], ... }
 * ```
 *
 * @example
 * ```ts
 * import { runAll, toSummary, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare const commands: AsyncIterable<string[]>;
 * runAll(commands, { sandbox, check: true })
 *   .pipe(toSummary())
 *   .subscribe(({ succeeded, failures }) => console.log(succeeded, failures.length));
 * ```
 */
export function toSummary(): OperatorFunction<RunAllEvent, RunAllSummary> {
  return staged((subscriber) => {
    const failures: CommandFailed[] = [];
    let succeeded = 0;
    let last: RunAllProgress | undefined;
    return {
      next: (event) => {
        last = event.progress;
        if (event.type === 'failed') failures.push(event);
        if (event.type === 'finished' && event.result.returncode === 0) succeeded++;
      },
      flush: () => {
        const { finished = 0, failed = 0, retried = 0, elapsedMs = 0 } = last ?? {};
        subscriber.next({ finished, succeeded, failed, retried, elapsedMs, failures });
      },
    };
  });
}
