import { readlinkSync } from 'node:fs';
import { refuse } from '../../process/validate.js';
import type { SnapshotInfo } from '../../sandbox/backend.js';
import { sandboxIdPattern } from '../../sandbox/sandbox-spec.js';
import { errnoOf } from './errno.js';

/** A snapshot, as the name of its file tells of it. */
export interface NamedSnapshot extends Omit<SnapshotInfo, 'sizeBytes'> {
  readonly file: string;
}

/**
 * The file of a snapshot. All that is known of it is in the name, so that it and its contents come to be in one step.
 *
 * @throws SandboxValidationError where the sandbox's id could be more than a part of a name.
 */
export function snapshotFile({ id, createdAtMs, sandboxId }: Omit<NamedSnapshot, 'file'>): string {
  if (!sandboxIdPattern.test(sandboxId))
    refuse('sandboxId', 'fit for the name of a file', sandboxId);
  return `${id}.${createdAtMs}.${sandboxId}.tar`;
}

/** The snapshot that is in a file of this name; undefined where it is none of ours. */
export function snapshotOf(file: string): NamedSnapshot | undefined {
  const [, id, createdAtMs, sandboxId] =
    /^(snap-[0-9a-f-]+)\.(\d+)\.([\w.-]+)\.tar$/.exec(file) ?? [];
  if (id === undefined || sandboxId === undefined) return undefined;
  return { id, createdAtMs: Number(createdAtMs), sandboxId, file };
}

/** The file of a snapshot that is being written, which says by whom. */
export function partFile(id: string): string {
  return `${id}.${processSpace()}-${process.pid}.part`;
}

/** Who writes a file of this name; undefined where it is no part of a snapshot. */
export function writerOf(file: string): { readonly isGone: boolean } | undefined {
  const [, space, pid] = /^snap-[0-9a-f-]+\.(\d+)-(\d+)\.part$/.exec(file) ?? [];
  if (space === undefined) return undefined;
  // Whether programs in other PID namespaces have ended, nobody here can say.
  return { isGone: space === processSpace() && !isAlive(Number(pid)) };
}

/** The number of this program's PID namespace; 0 where there are none. */
function processSpace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}
