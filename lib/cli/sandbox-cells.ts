import type { SandboxInfo } from '../sandbox/sandbox-spec.js';

/** When something was made: how long ago for people, the time itself for programs. */
export function createdCell({ createdAtMs }: Pick<SandboxInfo, 'createdAtMs'>): string {
  return process.stdout.isTTY
    ? `${age(Date.now() - createdAtMs)} ago`
    : new Date(createdAtMs).toISOString();
}

/** The status, and with it the exit status of the main command where that has ended. */
export function statusCell({ status, returncode }: SandboxInfo): string {
  return returncode === undefined ? status : `${status} (${returncode})`;
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const;

/** In the largest unit of which there are at least two, so that nothing is off by half. */
function age(ms: number): string {
  const [unit, unitMs] = units.find(([, each]) => ms >= 2 * each) ?? ['s', 1000];
  return `${Math.max(0, Math.floor(ms / unitMs))}${unit}`;
}
