import type { ConnectedBackend } from '../backends/rpc/connect-options.js';
import { SandboxClient } from '../sandbox/sandbox-client.js';
import { untilClosedPipe } from './closed-pipe.js';
import { requireServer, type ConnectionOptions } from './connection.js';
import { answerStatusOf } from './exit-status.js';
import { tell } from './failure.js';
import { printJson, write } from './output.js';

/** Asks a server something, and prints what it answers; gives the exit status. */
type Ask = (client: SandboxClient, backend: ConnectedBackend) => Promise<number>;

/** Asks a server something, prints what it answers, and ends this program with the exit status. */
export async function answer(connection: ConnectionOptions, ask: Ask): Promise<never> {
  process.exit(await statusOfAnswer(connection, ask));
}

/** The same, but for the end of this program. */
export async function statusOfAnswer(connection: ConnectionOptions, ask: Ask): Promise<number> {
  try {
    return await untilClosedPipe(async () => {
      const backend = await requireServer(connection);
      return ask(new SandboxClient(backend), backend);
    });
  } catch (error) {
    tell(error);
    return answerStatusOf(error);
  }
}

/** Does the same to several things, and prints what has become of each. One that fails keeps none of the others. */
export function answerEach(
  connection: ConnectionOptions,
  { ids, json }: { readonly ids: readonly string[]; readonly json: boolean | undefined },
  work: (client: SandboxClient, id: string) => Promise<{ readonly id: string }>,
): Promise<never> {
  return answer(connection, async (client) => {
    const workOn = async (id: string): Promise<number> => {
      let done: { readonly id: string };
      try {
        done = await work(client, id);
      } catch (error) {
        tell(error);
        return answerStatusOf(error);
      }
      await (json ? printJson(done) : write(process.stdout, `${done.id}\n`));
      return 0;
    };
    return Math.max(...(await Promise.all(ids.map(workOn))));
  });
}
