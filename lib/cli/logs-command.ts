import type { Command } from 'commander';
import type { Observable } from 'rxjs';
import type { OutputEvent } from '../process/process-event.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { EventLines } from './event-lines.js';
import { answerStatusHelp } from './exit-status.js';
import { MissingLogs } from './missing-logs.js';
import { takeAll, write } from './output.js';

interface LogsOptions {
  readonly follow: boolean;
  readonly json?: boolean;
}

/** `sandbox-rx logs`: what a sandbox's main command has written. */
export function addLogsCommand(program: Command): void {
  addConnectionOptions(program.command('logs'))
    .description("print the output of a sandbox's main command")
    .argument('<sandbox>', 'the id of the sandbox')
    .option('-f, --follow', 'go on until the main command ends', false)
    .option('--json', 'print one event a line')
    .addHelpText('after', answerStatusHelp)
    .action((id: string, { follow, json }: LogsOptions, command: Command) =>
      answer(connectionOf(command), async (client) => {
        await client.get(id);
        const { backend } = client;
        await printLogs((paused$) => backend.logs({ sandboxId: id, follow, paused$ }), json);
        return 0;
      }),
    );
}

/** No faster than they are read; what is missing is told on standard error. */
async function printLogs(
  open: (paused$: Observable<boolean>) => Observable<OutputEvent>,
  json = false,
): Promise<void> {
  const missing = new MissingLogs();
  const output = json ? new AsEvents() : asBytes;
  try {
    await takeAll(open, {
      take: async (event) => {
        missing.before(event);
        await output.print(event);
      },
      bytesOf: ({ data }) => data.length,
    });
  } finally {
    missing.tellMissed();
    await output.printRest();
  }
}

const asBytes = {
  print: ({ type, data }: OutputEvent): Promise<void> => write(process[type], data),
  printRest: (): Promise<void> => Promise.resolve(),
};

class AsEvents {
  readonly #lines = { stdout: new EventLines('stdout'), stderr: new EventLines('stderr') };

  print({ type, data, offset }: OutputEvent): Promise<void> {
    return this.#lines[type].print(data, offset);
  }

  async printRest(): Promise<void> {
    await this.#lines.stdout.printRest();
    await this.#lines.stderr.printRest();
  }
}
