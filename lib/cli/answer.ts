import type { SandboxClient } from '../sandbox/sandbox-client.js';
import { untilClosedPipe } from './closed-pipe.js';
import { requireServer, type ConnectionOptions } from './connection.js';
import { answerStatusOf } from './exit-status.js';
import { tell } from './failure.js';

/** Asks a server something, prints what it answers, and ends this program with the exit status. */
export async function answer(
  connection: ConnectionOptions,
  ask: (client: SandboxClient) => Promise<number>,
): Promise<never> {
  process.exit(await statusOfAnswer(connection, ask));
}

/** The same, but for the end of this program. */
export async function statusOfAnswer(
  connection: ConnectionOptions,
  ask: (client: SandboxClient) => Promise<number>,
): Promise<number> {
  try {
    return await untilClosedPipe(async () => ask(await requireServer(connection)));
  } catch (error) {
    tell(error);
    return answerStatusOf(error);
  }
}
