import type { Command } from 'commander';
import type { Observable } from 'rxjs';
import type { OutputEvent } from '../process/process-event.js';
import { checkLogsOptions, type LogsOptions } from '../sandbox/logs-options.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { EventLines } from './event-lines.js';
import { answerStatusHelp } from './exit-status.js';
import { instant, wholeNumber } from './option-values.js';
import { MissingLogs } from './missing-logs.js';
import { takeAll, write } from './output.js';

interface LogsCommandOptions {
  readonly follow: boolean;
  readonly tail?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly timestamps?: boolean;
  readonly json?: boolean;
}

/** `sandbox-rx logs`: what a sandbox's main command has written. */
export function addLogsCommand(program: Command): void {
  addConnectionOptions(program.command('logs'))
    .description("print the output of a sandbox's main command")
    .argument('<sandbox>', 'the id of the sandbox')
    .option('-f, --follow', 'go on until the main command ends', false)
    .option('--tail <lines>', 'only so many lines at the end, and what follows', wholeNumber)
    .option(
      '--since <time>',
      'only what was written since 2026-01-31T12:00:00Z, or in 10m',
      instant,
    )
    .option('--timestamps', 'put before each line when it was written')
    .option('--json', 'print one event a line')
    .addHelpText('after', answerStatusHelp)
    .action((id: string, options: LogsCommandOptions, command: Command) =>
      answer(connectionOf(command), async (client) => {
        await client.get(id);
        const { backend } = client;
        const part = partOf(options);
        checkLogsOptions(part);
        const { follow, json = false } = options;
        const isPart = part.tailLines !== undefined || part.sinceMs !== undefined;
        await printLogs((paused$) => backend.logs({ ...part, sandboxId: id, follow, paused$ }), {
          ...{ json, isPart },
        });
        return 0;
      }),
    );
}

function partOf({ tail, since, timestamps }: LogsCommandOptions): Omit<LogsOptions, 'follow'> {
  return {
    ...(tail !== undefined && { tailLines: tail }),
    ...(since !== undefined && { sinceMs: since }),
    ...(timestamps !== undefined && { timestamps }),
  };
}

/** No faster than they are read; what is missing is told on standard error. */
async function printLogs(
  open: (paused$: Observable<boolean>) => Observable<OutputEvent>,
  { json, isPart }: { readonly json: boolean; readonly isPart: boolean },
): Promise<void> {
  const missing = new MissingLogs(isPart);
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
