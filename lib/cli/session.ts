import type { Chunk } from '../process/chunk-decoder.js';
import type { Process } from '../process/process.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { ownFailure, statusOf } from './exit-status.js';
import { tell } from './failure.js';
import type { Place } from './place.js';
import { endWith } from './signals.js';

/** What a command does with its sandbox: starts a process, and gives the exit status. */
export interface Work<T extends Chunk> {
  start(sandbox: Sandbox): Process<T>;
  /** Passes on what the process writes; settles with the exit status of this program. */
  follow(process: Process<T>): Promise<number>;
}

/**
 * Runs one process in a sandbox and ends this program with its status. A signal ends the process tree and leaves the
 * sandbox first.
 */
export function inSandbox<T extends Chunk>(place: Place, work: Work<T>): Promise<never> {
  return endWith((stop) => runToEnd(place, work, stop));
}

async function runToEnd<T extends Chunk>(
  place: Place,
  work: Work<T>,
  stop: AbortSignal,
): Promise<number> {
  try {
    const sandbox = await place.enter(stop);
    if (sandbox === undefined) return ownFailure;
    try {
      return await runProcess(work.start(sandbox), work, stop);
    } finally {
      await place.leave(sandbox);
    }
  } catch (error) {
    if (!stop.aborted) tell(error);
    return statusOf(error);
  }
}

async function runProcess<T extends Chunk>(
  running: Process<T>,
  work: Work<T>,
  stop: AbortSignal,
): Promise<number> {
  const cancel = (): void => void running.cancel();
  stop.addEventListener('abort', cancel);
  if (stop.aborted) cancel();
  try {
    return await work.follow(running);
  } finally {
    running.cancel();
    await running.closed;
  }
}
