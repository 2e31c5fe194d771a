import type { ObservableInput, Observable } from 'rxjs';
import type { WindowSize } from '../../process/process-controls.js';

/** What a scripted program does next. */
export type ProgramStep =
  | { readonly type: 'stdout' | 'stderr'; readonly data: string | Uint8Array }
  | { readonly type: 'delay'; readonly ms: number }
  | {
      readonly type: 'exit';
      readonly returncode: number;
      readonly signal?: string;
      readonly outputHeld?: true;
    };

/** What a scripted program can see of its run. */
export interface ProgramContext {
  readonly command: readonly string[];
  /** The directory, as it was asked for; a relative one after that of the sandbox, and `.` where none was. */
  readonly cwd: string;
  /** The sandbox's environment with the run's. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard input; completes at EOF. */
  readonly stdin$: Observable<Uint8Array>;
  /** Signals that are sent to the run. A program that does not observe them dies of the first. */
  readonly signal$: Observable<string>;
  /** The terminal's size at the start, where there is a terminal. */
  readonly tty: WindowSize | undefined;
  /** New sizes of the terminal. */
  readonly size$: Observable<WindowSize>;
}

/**
 * A scripted program: a list of steps, or a function of its context that gives them. Steps of an iterable are taken
 * one by one, so a paused run makes it wait as a real process waits in `write(2)`; an Observable's are queued. A
 * program that ends without an `exit` step exits with status 0; its error is the run's error.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { delay, exit, memoryBackend, out } from 'sandbox-rx/testing';
 *
 * const backend = memoryBackend({
 *   programs: {
 *     build: [out('compiling\n'), delay(20), out('done\n'), exit(0)],
 *     echo: ({ command }) => [out(command.slice(1).join(' ') + '\n')],
 *   },
 * });
 * const sandbox = await new SandboxClient(backend).create();
 * console.log((await sandbox.exec(['echo', 'hi'])).stdout); // 'hi\n'
 * ```
 */
export type Program =
  readonly ProgramStep[] | ((context: ProgramContext) => ObservableInput<ProgramStep>);

/** A step that writes to standard output. */
export function out(data: string | Uint8Array): ProgramStep {
  return { type: 'stdout', data };
}

/** A step that writes to standard error. */
export function err(data: string | Uint8Array): ProgramStep {
  return { type: 'stderr', data };
}

/** A step that waits, on the backend's scheduler. */
export function delay(ms: number): ProgramStep {
  return { type: 'delay', ms };
}

/** A step that ends the program; nothing after it happens. */
export function exit(returncode: number, signal?: string): ProgramStep {
  return signal === undefined ? { type: 'exit', returncode } : { type: 'exit', returncode, signal };
}
