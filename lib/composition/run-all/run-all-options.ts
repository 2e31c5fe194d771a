import { asyncScheduler, defer, EMPTY, type Observable, type SchedulerLike } from 'rxjs';
import { checkProcessOptions } from '../../process/process-options.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkRecord,
  maxTimerMs,
  refuse,
} from '../../process/validate.js';
import { withDefaults } from '../../process/with-defaults.js';
import { checkRunOptions, type ExecOptions, type RunOptions } from '../../sandbox/exec-options.js';
import type { SandboxClient } from '../../sandbox/sandbox-client.js';
import { checkSpec, type SandboxSpec } from '../../sandbox/sandbox-spec.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import type { CommandOutcome } from './run-all-event.js';

/** How one of many commands is run. */
export interface CommandOptions extends Omit<ExecOptions, 'stdin'>, Pick<RunOptions, 'stdin'> {}

/** A command for `runAll`: an argv, or one with options of its own, which take the place of the common ones. */
export type CommandInput =
  readonly string[] | { readonly command: readonly string[]; readonly options?: CommandOptions };

/** Which commands are tried again, and when. */
export interface RetryOptions {
  /** How often each command is tried again, at most. Default 2. */
  readonly count?: number;
  /**
   * Whether to try again after this. Default: after an error that is `retryable`, and after a `ConnectionLostError` where
   * the run can be found again by its id.
   */
  readonly when?: (outcome: CommandOutcome) => boolean;
  /**
   * From the failure to the first retry, in milliseconds; twice as long before each further one, and no shorter than a server
   * asked for. Default 200.
   */
  readonly delayMs?: number;
  /** The longest of these times, in milliseconds. Default 30,000. */
  readonly maxDelayMs?: number;
}

/** A sandbox for as long as it is needed: a pool is one. */
export interface SandboxSource {
  withSandbox<T>(project: (sandbox: Sandbox) => Observable<T>): Observable<T>;
}

/** Options for `runAll`. Exactly one of `sandbox`, `pool` and `client` says where; all else has a default. */
export interface RunAllOptions extends Omit<CommandOptions, 'id' | 'signal'> {
  /** All run in this sandbox. */
  readonly sandbox?: Sandbox;
  /** Each runs in a sandbox of this pool, which it has for itself as long. */
  readonly pool?: SandboxSource;
  /** Each runs in a sandbox of its own, which is made and deleted for it. What a deletion fails with is not told. */
  readonly client?: SandboxClient;
  /** What the sandboxes of `client` shall be. */
  readonly spec?: SandboxSpec;
  /** How many run at a time. Default 8. */
  readonly concurrency?: number;
  /** Tell outcomes in the order of the commands; all else is told as it happens. Default `false`. */
  readonly ordered?: boolean;
  /** How many outcomes `ordered` keeps waiting before it starts no more commands. Default 100. */
  readonly maxHeld?: number;
  /** End with the first `failed`: kill what runs, start nothing more, and error with its error. Default `false`. */
  readonly stopOnError?: boolean;
  /** Try again what failed. Default: nothing is. */
  readonly retry?: RetryOptions;
  /** Tell output as it comes. Default `false`: the result has it. */
  readonly output?: boolean;
  /** Kill what runs and error with a `SandboxTimeoutError` after this time, in milliseconds. Default: no limit. */
  readonly totalTimeoutMs?: number;
}

/** Which commands are tried again; without `when`, those that it does no harm to. */
export type RetryPlan = Required<Omit<RetryOptions, 'when'>> & Pick<RetryOptions, 'when'>;

/** Checked options, with every default filled in. */
export interface Plan {
  readonly place: SandboxSource;
  readonly concurrency: number;
  readonly maxHeld: number;
  readonly isOrdered: boolean;
  readonly stopsOnError: boolean;
  readonly tellsOutput: boolean;
  readonly retry: RetryPlan | undefined;
  readonly totalTimeoutMs: number | undefined;
  readonly scheduler: SchedulerLike;
  /** What all commands have in common. */
  readonly common: CommandOptions;
}

/** Refuses options of the wrong type or range, and fills in the rest. */
export function planOf(options: RunAllOptions): Plan {
  checkRecord('options', options);
  const { sandbox, pool, client, spec, ...rest } = options;
  const { concurrency, ordered, maxHeld, stopOnError, ...others } = rest;
  const { retry, output, totalTimeoutMs, ...common } = others;
  checkInteger('concurrency', concurrency, { min: 1 });
  checkBoolean('ordered', ordered);
  checkInteger('maxHeld', maxHeld, { min: 1 });
  checkBoolean('stopOnError', stopOnError);
  checkBoolean('output', output);
  checkInteger('totalTimeoutMs', totalTimeoutMs, { min: 1, max: maxTimerMs });
  checkCommon(common);
  return {
    place: placeOf({ sandbox, pool, client, spec }),
    concurrency: concurrency ?? 8,
    maxHeld: maxHeld ?? 100,
    isOrdered: ordered ?? false,
    stopsOnError: stopOnError ?? false,
    tellsOutput: output ?? false,
    retry: retry && retryOf(retry),
    totalTimeoutMs,
    scheduler: common.scheduler ?? asyncScheduler,
    common,
  };
}

/** What all have in common cannot name one of them. */
function checkCommon(common: CommandOptions): void {
  if (common.id !== undefined) refuse('id', 'given with a command, not for all of them', common.id);
  if (common.signal !== undefined)
    refuse('signal', 'given with a command; to end all of them, unsubscribe', common.signal);
  checkProcessOptions(common);
  checkRunOptions(common);
}

type Where = {
  readonly [Name in 'sandbox' | 'pool' | 'client' | 'spec']: RunAllOptions[Name] | undefined;
};

function placeOf({ sandbox, pool, client, spec = {} }: Where): SandboxSource {
  const given = Object.entries({ sandbox, pool, client }).filter(([, one]) => one !== undefined);
  if (given.length !== 1) {
    const names = given.length === 0 ? 'none' : given.map(([name]) => name).join(' and ');
    refuse('where to run', 'one of the options sandbox, pool and client', names);
  }
  for (const [name, place] of given) checkRecord(name, place);
  checkSpec(spec);
  if (client !== undefined) return { withSandbox: (project) => client.withSandbox(spec, project) };
  if (sandbox !== undefined) return { withSandbox: (project) => defer(() => project(sandbox)) };
  return pool ?? { withSandbox: () => EMPTY };
}

function retryOf(retry: RetryOptions): RetryPlan {
  checkRecord('retry', retry);
  checkInteger('retry.count', retry.count, { min: 0 });
  checkFunction('retry.when', retry.when);
  checkInteger('retry.delayMs', retry.delayMs, { min: 0, max: maxTimerMs });
  checkInteger('retry.maxDelayMs', retry.maxDelayMs, { min: 0, max: maxTimerMs });
  return withDefaults<RetryPlan>({ count: 2, delayMs: 200, maxDelayMs: 30_000 }, retry);
}
