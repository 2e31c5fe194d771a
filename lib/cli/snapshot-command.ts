import type { Command } from 'commander';
import type { SnapshotInfo } from '../sandbox/backend.js';
import { answer, answerEach, statusOfAnswer } from './answer.js';
import { byteCount } from './byte-count.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp, ownFailure } from './exit-status.js';
import { printJson, write } from './output.js';
import { createdCell } from './sandbox-cells.js';
import { endWith } from './signals.js';
import { printTable } from './table.js';
import { unlessStopped, untilStopped } from './unless-stopped.js';

interface JsonOption {
  readonly json?: boolean;
}

/** `sandbox-rx snapshot`: what is kept of the volumes of sandboxes. */
export function addSnapshotCommand(program: Command): void {
  const group = program
    .command('snapshot')
    .description('keep what is in volumes of sandboxes, for sandboxes that begin with it')
    .enablePositionalOptions();
  addTakeCommand(group);
  addListCommand(group);
  addGetCommand(group);
  addConnectionOptions(group.command('delete'))
    .alias('rm')
    .description('remove snapshots; sandboxes that began with them go on; prints the id of each')
    .argument('<snapshot...>', 'their ids')
    .option('--json', 'print a JSON object a line')
    .addHelpText('after', answerStatusHelp)
    .action((ids: string[], { json }: JsonOption, command: Command) =>
      answerEach(connectionOf(command), { ids, json }, async (client, id) => {
        await client.snapshots.delete(id);
        return { id, status: 'deleted' };
      }),
    );
}

function addTakeCommand(group: Command): void {
  addConnectionOptions(group.command('create'))
    .alias('take')
    .description('take a snapshot of a volume of a sandbox, and print its id when it is ready')
    .argument('<sandbox>', "the sandbox's id")
    .option('--volume <name>', "the volume's name (default: its only one)")
    .option('--json', 'print a JSON object with all that is known of it')
    .addHelpText('after', `\n${example}`)
    .addHelpText('after', answerStatusHelp)
    .action((id: string, options: JsonOption & { readonly volume?: string }, command: Command) =>
      endWith((stop) =>
        statusOfAnswer(connectionOf(command), async (client) => {
          const { json, volume } = options;
          const sandbox = await untilStopped(stop, client.get(id));
          if (sandbox === undefined) return ownFailure;
          const info = await unlessStopped(stop, 'snapshot', {
            make: () => sandbox.snapshot({ ...(volume !== undefined && { volume }) }),
            undo: (taken) => client.snapshots.delete(taken.id),
          });
          if (info === undefined) return ownFailure;
          await (json ? printJson(info) : write(process.stdout, `${info.id}\n`));
          return 0;
        }),
      ),
    );
}

const example = `Example: sandbox-rx create --id first --volume work:/work
         snapshot=$(sandbox-rx snapshot create first)
         sandbox-rx create --volume work:/work --restore work=$snapshot`;

function addListCommand(group: Command): void {
  addConnectionOptions(group.command('ls'))
    .alias('list')
    .description('list the snapshots that can be restored')
    .option('--sandbox <id>', 'only those of this sandbox')
    .option('-q, --quiet', 'print their ids alone')
    .option('--json', 'print an array of JSON objects')
    .addHelpText('after', answerStatusHelp)
    .action((options: ListOptions, command: Command) =>
      answer(connectionOf(command), async (client) => {
        const { sandbox: sandboxId } = options;
        await print(
          await client.snapshots.list({ ...(sandboxId !== undefined && { sandboxId }) }),
          options,
        );
        return 0;
      }),
    );
}

interface ListOptions extends JsonOption {
  readonly sandbox?: string;
  readonly quiet?: boolean;
}

function print(infos: readonly SnapshotInfo[], { json, quiet }: ListOptions): Promise<void> {
  if (json) return printJson(infos);
  if (quiet) return write(process.stdout, infos.map(({ id }) => `${id}\n`).join(''));
  return printTable({
    header: ['ID', 'SANDBOX', 'SIZE', 'CREATED'],
    rows: infos.map((info) => [info.id, info.sandboxId, sizeCell(info), createdCell(info)]),
  });
}

function addGetCommand(group: Command): void {
  addConnectionOptions(group.command('get'))
    .alias('inspect')
    .description('show what is known of a snapshot')
    .argument('<snapshot>', 'its id')
    .option('--json', 'print a JSON object')
    .addHelpText('after', answerStatusHelp)
    .action((id: string, { json }: JsonOption, command: Command) =>
      answer(connectionOf(command), async (client) => {
        const info = await client.snapshots.get(id);
        if (json) await printJson(info);
        else
          await printTable({
            header: ['FIELD', 'VALUE'],
            rows: [
              ['id', info.id],
              ['sandbox', info.sandboxId],
              ['size', sizeCell(info)],
              ['created', createdCell(info)],
            ],
          });
        return 0;
      }),
    );
}

/** For people in a unit that suits it; for programs in bytes. */
function sizeCell({ sizeBytes }: SnapshotInfo): string {
  return process.stdout.isTTY ? byteCount(sizeBytes) : String(sizeBytes);
}
