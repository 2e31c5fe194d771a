import { Option, type Command } from 'commander';
import type { SandboxFilter, SandboxInfo, SandboxStatus } from '../sandbox/sandbox-spec.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp } from './exit-status.js';
import { tagOption } from './options.js';
import { printJson, write } from './output.js';
import { createdCell, statusCell } from './sandbox-cells.js';
import { printTable } from './table.js';

interface ListOptions {
  readonly tag: readonly string[];
  readonly status?: SandboxStatus;
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const listHelp = `
On a terminal a table; otherwise one line for each sandbox, with tabs between its id, status, time and tags.
`;

/** `sandbox-rx ls`: the sandboxes of a server. */
export function addListCommand(program: Command): void {
  addConnectionOptions(program.command('ls'))
    .aliases(['list', 'ps'])
    .description('list the sandboxes that run')
    .addOption(tagOption('only those with this tag, and each other that is given'))
    .addOption(
      new Option('--status <status>', 'those that stand so, instead of those that run')
        .choices(['running', 'completed', 'failed', 'stopped'])
        .conflicts('all'),
    )
    .option('-a, --all', 'those that have ended too, as long as the server remembers them')
    .addOption(new Option('-q, --quiet', 'print their ids alone').conflicts('json'))
    .option('--json', 'print an array of JSON objects')
    .addHelpText('after', listHelp + answerStatusHelp)
    .action((options: ListOptions, command: Command) =>
      answer(connectionOf(command), async (client) => {
        await print(await client.list(filterOf(options)), options);
        return 0;
      }),
    );
}

function filterOf({ tag, status, all }: ListOptions): SandboxFilter {
  return { tags: tag, ...(all !== true && { status: status ?? 'running' }) };
}

function print(infos: readonly SandboxInfo[], { json, quiet }: ListOptions): Promise<void> {
  if (json) return printJson(infos);
  if (quiet) return write(process.stdout, infos.map(({ id }) => `${id}\n`).join(''));
  return printTable({
    header: ['ID', 'STATUS', 'CREATED', 'TAGS'],
    rows: infos.map((info) => [info.id, statusCell(info), createdCell(info), info.tags.join(',')]),
  });
}
