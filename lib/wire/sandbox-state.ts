import type { SandboxInfo, SandboxStatus } from '../sandbox/sandbox-spec.js';
import {
  State,
  type Sandbox,
  SandboxStatus as StatusMessage,
} from './generated/coreweave/sandbox/v1/sandbox.js';
import { addressesOf } from './services.js';
import { fromTimestamp } from './timestamp.js';

/**
 * What begins the `state_reason` of a sandbox that was stopped. coreweave.sandbox.v1 has one state, COMPLETED, for that
 * and for the end of the main command.
 */
const stoppedPrefix = 'Stopped: ';

/** How a sandbox's status is told: the state, and the reason in words. */
export function stateOf({
  status,
  reason = '',
  returncode,
}: SandboxInfo): Pick<StatusMessage, 'state' | 'stateReason'> {
  switch (status) {
    case 'running':
      return { state: State.STATE_RUNNING, stateReason: reason };
    case 'completed':
      return { state: State.STATE_COMPLETED, stateReason: reason };
    case 'failed': {
      // FAILED is for what could not run at all.
      const ended = returncode !== undefined;
      return { state: ended ? State.STATE_COMPLETED : State.STATE_FAILED, stateReason: reason };
    }
    case 'stopped':
    case 'deleted':
      return { state: State.STATE_COMPLETED, stateReason: `${stoppedPrefix}${reason}` };
  }
}

/** What is known of a sandbox, from what the server tells of it. */
export function infoOf({ sandboxId, spec, status }: Sandbox): SandboxInfo {
  const told = status ?? StatusMessage.create();
  const { state, stateReason, exitCode, createTime } = told;
  const wasStopped = stateReason.startsWith(stoppedPrefix);
  const now = wasStopped ? 'stopped' : statusOf(state, exitCode);
  return {
    id: sandboxId,
    status: now,
    tags: spec?.tags ?? [],
    createdAtMs: createTime === undefined ? 0 : Math.floor(fromTimestamp(createTime)),
    ...(exitCode !== undefined && !wasStopped && { returncode: exitCode }),
    ...(now === 'running' && addressesOf(told)),
    ...reasonOf(now, wasStopped ? stateReason.slice(stoppedPrefix.length) : stateReason),
  };
}

/** Whether its main command has ended, and the server does not say yet with which exit status. */
export function lacksExit({ status }: Sandbox): boolean {
  const { state, stateReason, exitCode } = status ?? StatusMessage.create();
  const isOver = state === State.STATE_COMPLETED && !stateReason.startsWith(stoppedPrefix);
  return isOver && exitCode === undefined;
}

/** One that is on its way to its end has a reason already, but not yet what the reason is of. */
function reasonOf(status: SandboxStatus, reason: string): Pick<SandboxInfo, 'reason'> {
  return reason === '' || status === 'running' ? {} : { reason };
}

/** What is about to be counts as running: all other states are final. */
function statusOf(state: State, exitCode: number | undefined): SandboxStatus {
  if (state === State.STATE_FAILED) return 'failed';
  if (state === State.STATE_TERMINATED) return 'stopped';
  if (state !== State.STATE_COMPLETED) return 'running';
  if (exitCode === undefined) return 'stopped';
  return exitCode === 0 ? 'completed' : 'failed';
}

/** Whether a sandbox in this state changes no more. */
export function isTerminal(state: State): boolean {
  return (
    state === State.STATE_COMPLETED ||
    state === State.STATE_FAILED ||
    state === State.STATE_TERMINATED
  );
}

/** Whether commands can be run in it. */
export function isReady(state: State): boolean {
  return state === State.STATE_RUNNING || state === State.STATE_PAUSED;
}
