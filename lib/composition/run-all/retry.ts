import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { CommandOutcome } from './run-all-event.js';
import type { RetryPlan } from './run-all-options.js';

/**
 * How long to wait until a command is tried again, in milliseconds; `undefined` where it is not. `isHarmless`: it goes on
 * where it is, and is only looked for.
 */
export function delayBeforeRetry(
  { count, when, delayMs, maxDelayMs }: RetryPlan,
  outcome: CommandOutcome,
  isHarmless: boolean,
): number | undefined {
  const { attempt } = outcome;
  if (attempt > count || isSuccess(outcome)) return undefined;
  const isWanted = when === undefined ? isHarmless || isRetryable(outcome) : when(outcome);
  if (!isWanted) return undefined;
  return Math.max(Math.min(delayMs * 2 ** (attempt - 1), maxDelayMs), askedFor(outcome));
}

function isSuccess(outcome: CommandOutcome): boolean {
  return outcome.type === 'finished' && outcome.result.returncode === 0;
}

function isRetryable(outcome: CommandOutcome): boolean {
  return (
    outcome.type === 'failed' && outcome.error instanceof SandboxError && outcome.error.retryable
  );
}

/** The time that a server wants to be left alone. */
function askedFor(outcome: CommandOutcome): number {
  if (outcome.type !== 'failed' || !(outcome.error instanceof SandboxError)) return 0;
  return outcome.error.remote?.retryDelayMs ?? 0;
}
