import type { OperatorFunction } from 'rxjs';
import type { OutputStream, ProcessEvent } from '../process/process-event.js';
import { staged } from './staged.js';

/**
 * Picks the bytes of standard output from a run's events.
 *
 * ```text
 * source     --o--e--p--(x|)     o, p = stdout, e = stderr, x = exit
 * stdout()   --o-----p--|
 * ```
 *
 * @example
 * ```ts
 * import { lines, stdout, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox.exec$(['ls']).pipe(stdout(), lines()).subscribe(console.log);
 * ```
 */
export function stdout(): OperatorFunction<ProcessEvent, Uint8Array> {
  return only('stdout');
}

/**
 * Picks the bytes of standard error from a run's events.
 *
 * ```text
 * source     --o--e--p--(x|)     o, p = stdout, e = stderr, x = exit
 * stderr()   -----e-----|
 * ```
 *
 * @example
 * ```ts
 * import { decode, stderr, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox.exec$(['make']).pipe(stderr(), decode()).subscribe(console.error);
 * ```
 */
export function stderr(): OperatorFunction<ProcessEvent, Uint8Array> {
  return only('stderr');
}

function only(stream: OutputStream): OperatorFunction<ProcessEvent, Uint8Array> {
  return staged((subscriber) => ({
    next: (event) => {
      if (event.type === stream) subscriber.next(event.data);
    },
  }));
}
