import type { Command } from 'commander';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp } from './exit-status.js';
import { printJson } from './output.js';
import { createdCell } from './sandbox-cells.js';
import { printTable } from './table.js';

/** `sandbox-rx get`: how one sandbox stands. */
export function addGetCommand(program: Command): void {
  addConnectionOptions(program.command('get'))
    .alias('inspect')
    .description('show how a sandbox stands')
    .argument('<sandbox>', 'its id')
    .option('--json', 'print a JSON object')
    .addHelpText('after', answerStatusHelp)
    .action((id: string, { json }: { readonly json?: boolean }, command: Command) =>
      answer(connectionOf(command), async (client) => {
        const info = await (await client.get(id)).status();
        if (json) {
          await printJson(info);
          return 0;
        }
        const { status, tags, returncode, reason, services = [] } = info;
        await printTable({
          header: ['FIELD', 'VALUE'],
          rows: [
            ['id', info.id],
            ['status', status],
            ['created', createdCell(info)],
            ['tags', tags.join(',')],
            ...(returncode === undefined ? [] : [['returncode', String(returncode)]]),
            ...(reason === undefined ? [] : [['reason', reason]]),
            ...services.map(({ port, name, url }) => [
              name === undefined ? `port ${port}` : `port ${port} (${name})`,
              url,
            ]),
          ],
        });
        return 0;
      }),
    );
}
