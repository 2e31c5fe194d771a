import type { Command } from 'commander';
import { concatMap, finalize, lastValueFrom } from 'rxjs';
import type { OutputEvent } from '../process/process-event.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { eventText } from './event-text.js';
import { answerStatusHelp } from './exit-status.js';
import { MissingLogs } from './missing-logs.js';
import { printJson, write } from './output.js';

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
        const sandbox = await client.get(id);
        const missing = new MissingLogs();
        const print = json ? printEvent : printData;
        const printed$ = sandbox.logs$({ follow }).pipe(
          concatMap((event) => {
            missing.before(event);
            return print(event);
          }),
          finalize(() => {
            missing.tellMissed();
          }),
        );
        await lastValueFrom(printed$, { defaultValue: undefined });
        return 0;
      }),
    );
}

function printData({ type, data }: OutputEvent): Promise<void> {
  return write(process[type], data);
}

function printEvent({ type, offset, data }: OutputEvent): Promise<void> {
  return printJson({ type, offset, ...eventText(data) });
}
