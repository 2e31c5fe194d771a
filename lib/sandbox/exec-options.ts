import type { SchedulerLike } from 'rxjs';
import type { WindowSize } from '../process/process-controls.js';
import { checkWindowSize } from '../process/process.js';
import type { ProcessOptions } from '../process/process-options.js';
import { isStdinSource, type StdinSource } from '../process/stdin.js';
import {
  checkBoolean,
  checkEnv,
  checkInteger,
  checkOneOf,
  checkRecord,
  checkScheduler,
  checkSignal,
  checkSignalName,
  checkText,
  maxTimerMs,
  refuse,
} from '../process/validate.js';
import type { OnDisconnect } from './backend.js';

/** How a command is run. */
export interface RunOptions {
  /** The run's own id. Starting the same id twice in a sandbox attaches to the run. Default: one per subscription. */
  readonly id?: string;
  /**
   * What becomes of the run when the connection to it is lost and does not come back in time: `'kill'` ends it, `'detach'`
   * lets it run on, to be attached to by its id. Unsubscribing ends it either way. Where the sandbox lives in this program
   * there is no connection to be lost. With `'detach'`, a backend whose runs cannot be attached to refuses the run with an
   * `UnsupportedError`. Default `'kill'`.
   */
  readonly onDisconnect?: OnDisconnect;
  /** Directory in the sandbox in which to start; a relative one starts at the sandbox's `cwd`. Default: that. */
  readonly cwd?: string;
  /** Environment variables, added to the sandbox's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Kill the run and error with a `SandboxTimeoutError` after this time, in milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
  /** Makes an exit status other than 0 a `SandboxExecutionError`, which carries the result. Default `false`. */
  readonly check?: boolean;
  /** Standard input: all of it, or a source. Its error kills the run and is the run's error. Default: empty. */
  readonly stdin?: StdinSource;
  /** `'stdout'` joins standard error to standard output at the source, in true order. Default `'pipe'`. */
  readonly stderr?: 'pipe' | 'stdout';
  /** Give the run a terminal; `true` is 24 rows of 80. Its output is all `stdout`. Default `false`. */
  readonly tty?: boolean | WindowSize;
  /** Signal that asks the process tree to end. Default `'SIGTERM'`. */
  readonly killSignal?: string;
  /** From `killSignal` to `SIGKILL`, in milliseconds. Default 2000. */
  readonly killGraceMs?: number;
  /**
   * How long output may be idle after the exit, while a descendant holds it open, in milliseconds. Each piece of output
   * starts it again, so that one that keeps writing holds the run until `timeoutMs` or a cancel. Default 200.
   */
  readonly drainGraceMs?: number;
  /** Kills the run when aborted; it errors with a `CancelledError` whose `cause` is the reason. */
  readonly signal?: AbortSignal;
  /** Where `timeoutMs` takes its time from. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** How a command is run, and how its {@link Process} keeps the output. */
export interface ExecOptions
  extends
    Omit<RunOptions, 'stdin'>,
    Omit<ProcessOptions, 'controls' | 'id' | 'check' | 'scheduler'> {
  /** As in {@link RunOptions}, or `true` for a `StreamWriter` as `process.stdin`. Default: empty. */
  readonly stdin?: StdinSource | boolean;
}

/** Refuses options of the wrong type or range. */
export function checkRunOptions(
  options: Omit<RunOptions, 'stdin'> & { readonly stdin?: unknown },
): void {
  checkRecord('options', options);
  checkText('id', options.id);
  if (options.id === '') refuse('id', 'not empty', '');
  checkOneOf('onDisconnect', options.onDisconnect, ['kill', 'detach']);
  checkText('cwd', options.cwd);
  if (options.cwd === '') refuse('cwd', 'a path', '');
  checkEnv('env', options.env);
  checkInteger('timeoutMs', options.timeoutMs, { min: 1, max: maxTimerMs });
  checkBoolean('check', options.check);
  if (options.stdin !== undefined && !isStdinSource(options.stdin)) {
    refuse(
      'stdin',
      'a string, a Uint8Array, an Observable, an iterable or a Web stream',
      options.stdin,
    );
  }
  checkOneOf('stderr', options.stderr, ['pipe', 'stdout']);
  checkTty(options.tty);
  checkSignalName('killSignal', options.killSignal);
  checkInteger('killGraceMs', options.killGraceMs, { min: 0, max: maxTimerMs });
  checkInteger('drainGraceMs', options.drainGraceMs, { min: 0, max: maxTimerMs });
  checkSignal('signal', options.signal);
  checkScheduler('scheduler', options.scheduler);
}

function checkTty(tty: boolean | WindowSize | undefined): void {
  if (tty === undefined || typeof tty === 'boolean') return;
  checkWindowSize('tty', tty);
}
