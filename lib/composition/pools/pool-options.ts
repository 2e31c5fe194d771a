import { asyncScheduler, type ObservableInput, type SchedulerLike } from 'rxjs';
import {
  checkFunction,
  checkInteger,
  checkRecord,
  checkScheduler,
  maxTimerMs,
  refuse,
} from '../../process/validate.js';
import { withDefaults } from '../../process/with-defaults.js';
import { checkSpec, type SandboxSpec } from '../../sandbox/sandbox-spec.js';
import type { Sandbox } from '../../sandbox/sandbox.js';

/** Options for `SandboxPool`. */
export interface SandboxPoolOptions {
  /** What its sandboxes shall be. They have a tag of the pool's own besides. */
  readonly spec?: SandboxSpec;
  /** How many sandboxes are kept ready, leased or not. Default 1. */
  readonly min?: number;
  /** How many there are at most, with those that are being made or deleted. Default 8, or `min` where that is more. */
  readonly max?: number;
  /** How long one that is not needed is kept beyond `min`, in milliseconds. Default 60,000. */
  readonly idleTimeoutMs?: number;
  /** A sandbox is replaced after so many leases: 1 for a fresh one each time. Default: never. */
  readonly maxLeases?: number;
  /**
   * Asked before a sandbox is leased that has been idle for `healthCheckAfterMs`. One for which it errors, gives `false` last
   * or takes longer than `healthCheckTimeoutMs` is replaced; who waits is told the error where it was made for him. Default:
   * none; one that has ended is replaced in any case.
   */
  readonly healthCheck?: (sandbox: Sandbox) => ObservableInput<unknown>;
  /** In milliseconds. Default 5000. */
  readonly healthCheckAfterMs?: number;
  /** In milliseconds. Default 10,000. */
  readonly healthCheckTimeoutMs?: number;
  /** Where time comes from. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** How a pool stands. */
export interface SandboxPoolState {
  /** `closing`: nothing is leased any more; `closed`: nothing is left. */
  readonly status: 'open' | 'closing' | 'closed';
  /** Ready to be leased. */
  readonly idle: number;
  readonly leased: number;
  /** Being made, or asked for their health. */
  readonly starting: number;
  readonly deleting: number;
  /** Who waits for a sandbox. */
  readonly waiting: number;
  /**
   * Why a sandbox could not be made or deleted the last time, or was of no use: it ended, or failed its health check, before it
   * was ever leased. Until the next one could be made.
   */
  readonly error?: unknown;
}

/** Checked options, with every default filled in. */
export type PoolPlan = Required<Omit<SandboxPoolOptions, 'healthCheck'>> &
  Pick<SandboxPoolOptions, 'healthCheck'>;

const defaults: PoolPlan = {
  spec: {},
  min: 1,
  max: 8,
  idleTimeoutMs: 60_000,
  maxLeases: Infinity,
  healthCheckAfterMs: 5000,
  healthCheckTimeoutMs: 10_000,
  scheduler: asyncScheduler,
};

/** Refuses options of the wrong type or range, and fills in the rest. */
export function poolPlanOf(options: SandboxPoolOptions): PoolPlan {
  checkRecord('options', options);
  const { spec, min, max, healthCheck, scheduler } = options;
  if (spec !== undefined) checkSpec(spec);
  if (spec?.id !== undefined) refuse('spec.id', 'left out: each sandbox has its own', spec.id);
  checkInteger('min', min, { min: 0 });
  checkInteger('max', max, { min: Math.max(min ?? 0, 1) });
  checkInteger('maxLeases', options.maxLeases, { min: 1 });
  for (const name of ['idleTimeoutMs', 'healthCheckAfterMs', 'healthCheckTimeoutMs'] as const)
    checkInteger(name, options[name], { min: 0, max: maxTimerMs });
  checkFunction('healthCheck', healthCheck);
  checkScheduler('scheduler', scheduler);
  return withDefaults({ ...defaults, max: Math.max(defaults.max, min ?? 0) }, options);
}
