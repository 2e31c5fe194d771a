import type { OutputEvent } from '../../process/process-event.js';
import type { ProcessResult } from '../../process/process-result.js';

/** Which command something is told of, and which attempt at it. */
export interface CommandRef {
  /** The command's place in the source, from 0. */
  readonly index: number;
  /** The argv; empty where what the source gave has none. */
  readonly command: readonly string[];
  /** 1, and one more each time it is tried again. */
  readonly attempt: number;
  /** Where it runs; absent before it has got a sandbox. */
  readonly sandboxId?: string;
  /** The id of its run; absent before it was started. */
  readonly runId?: string;
}

/** A command ran to its end. An exit status other than 0 is one too, unless `check: true` makes an error of it. */
export interface CommandFinished extends CommandRef {
  readonly type: 'finished';
  readonly result: ProcessResult;
}

/** A command could not be run, or how it ended is not known: `error` is what its run failed with. */
export interface CommandFailed extends CommandRef {
  readonly type: 'failed';
  readonly error: unknown;
}

/** How a command ended. */
export type CommandOutcome = CommandFinished | CommandFailed;

/** A command is started in its sandbox, for the first time or again. */
export interface CommandStarted extends CommandRef {
  readonly type: 'started';
}

/** A piece of what a command wrote. */
export interface CommandOutput extends CommandRef {
  readonly type: 'output';
  readonly output: OutputEvent;
}

/** A command will be tried again after `delayMs`, because of `outcome`, which is then not the last. */
export interface CommandRetrying extends CommandRef {
  readonly type: 'retrying';
  readonly outcome: CommandOutcome;
  readonly delayMs: number;
}

/** How things stand when something is told. */
export interface RunAllProgress {
  /** How many commands there are; `undefined` while the source can still give more. */
  readonly total: number | undefined;
  /** Those that have been taken from the source, and are not over. */
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
  /** How often a command was tried again. */
  readonly retried: number;
  /** Since the subscription, in milliseconds. */
  readonly elapsedMs: number;
  /**
   * How long the rest will take, in milliseconds, where it goes on as it went: the time so far for each command that is
   * over. `undefined` while `total` is, or before the first is over.
   */
  readonly remainingMs: number | undefined;
}

/** What happens to one of the commands. */
export type CommandStep = CommandStarted | CommandOutput | CommandRetrying | CommandOutcome;

/** What `runAll` tells: what happens to one of the commands, and how things stand. */
export type RunAllEvent = CommandStep & { readonly progress: RunAllProgress };
