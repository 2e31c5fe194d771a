import { localBackend } from '../backends/local/local-backend.js';
import type { Chunk } from '../process/chunk-decoder.js';
import type { Process } from '../process/process.js';
import { SandboxClient } from '../sandbox/sandbox-client.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { statusOf } from './exit-status.js';
import type { SandboxOptions } from './options.js';

const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What a command does with its sandbox: starts a process, and gives the exit status. */
export interface Work<T extends Chunk> {
  start(sandbox: Sandbox): Process<T>;
  /** Passes on what the process writes; settles with the exit status of this program. */
  follow(process: Process<T>): Promise<number>;
}

/**
 * Runs one process in a sandbox of its own and ends this program with its status. A signal ends the process tree and
 * the sandbox first, and then this program by the same signal, so that a shell sees what happened.
 */
export async function inSandbox<T extends Chunk>(
  options: SandboxOptions,
  work: Work<T>,
): Promise<never> {
  const stopping = new AbortController();
  let killedBy: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    killedBy ??= signal;
    stopping.abort();
  };
  for (const signal of fatalSignals) process.on(signal, onSignal);
  const status = await runToEnd(options, work, stopping.signal);
  for (const signal of fatalSignals) process.off(signal, onSignal);
  if (killedBy !== undefined) process.kill(process.pid, killedBy);
  process.exit(status);
}

async function runToEnd<T extends Chunk>(
  options: SandboxOptions,
  work: Work<T>,
  stop: AbortSignal,
): Promise<number> {
  const { isolation, mount, network } = options;
  try {
    const client = new SandboxClient(localBackend({ isolation, mounts: mount }));
    const sandbox = await client.create(network === undefined ? {} : { network });
    try {
      return await runProcess(work.start(sandbox), work, stop);
    } finally {
      await sandbox.delete();
    }
  } catch (error) {
    return report(error, stop);
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

function report(error: unknown, stop: AbortSignal): number {
  if (!stop.aborted)
    console.error(`sandbox-rx: ${error instanceof Error ? error.message : String(error)}`);
  return statusOf(error);
}
