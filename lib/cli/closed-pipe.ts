import { brokenPipe } from './exit-status.js';

/** When nobody reads us any more, as in `| head -1`, the command is of no use. */
export async function untilClosedPipe(follow: () => Promise<number>): Promise<number> {
  // Not every write waits for its outcome, and one that does hears of it before the event.
  const failed: Promise<never> = new Promise((_, reject) => {
    for (const output of [process.stdout, process.stderr]) output.on('error', reject);
  });
  try {
    return await Promise.race([follow(), failed]);
  } catch (error) {
    if (isClosedPipe(error)) return brokenPipe;
    throw error;
  }
}

/** A pipe to another Node program is a socket, which says ECONNRESET where what was written is left unread. */
function isClosedPipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'EPIPE' || error.code === 'ECONNRESET') &&
    'syscall' in error &&
    error.syscall === 'write'
  );
}
