import type { ProcessInfo } from '../sandbox/backend.js';
import type { Process } from './generated/sandboxrx/v1/watches.js';

/** A process, as it is told. */
export function processMessageOf(info: ProcessInfo): Process {
  const { id: runId, command, returncode, startedAtMs, endedAtMs, main, forgotten } = info;
  const { sandboxId, state, tty, signal = '', reason = '' } = info;
  return {
    sandboxId,
    runId,
    command: [...command],
    state,
    tty,
    signal,
    reason,
    main: main === true,
    forgotten: forgotten === true,
    startedAtMs: BigInt(Math.trunc(startedAtMs)),
    endedAtMs: endedAtMs === undefined ? undefined : BigInt(Math.trunc(endedAtMs)),
    exitCode: returncode,
  };
}

const states = ['starting', 'running', 'exited', 'failed', 'cancelled'] as const;

/** What is known of a process, from what the server tells of it. */
export function processInfoOf(message: Process): ProcessInfo {
  const { sandboxId, runId: id, command, tty, startedAtMs, endedAtMs, exitCode } = message;
  const { main, signal, reason, forgotten } = message;
  return {
    id,
    sandboxId,
    command,
    tty,
    startedAtMs: Number(startedAtMs),
    // A word that a later version adds: it has ended, or has not.
    state:
      states.find((state) => state === message.state) ??
      (endedAtMs === undefined ? 'running' : 'failed'),
    ...(endedAtMs !== undefined && { endedAtMs: Number(endedAtMs) }),
    ...(exitCode !== undefined && { returncode: exitCode }),
    ...(main && { main }),
    ...(signal !== '' && { signal }),
    ...(reason !== '' && { reason }),
    ...(forgotten && { forgotten }),
  };
}
