import type { Command } from 'commander';
import type { Sandbox } from '../sandbox/sandbox.js';
import type { SandboxInfo } from '../sandbox/sandbox-spec.js';
import { answerEach } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp } from './exit-status.js';

/** `sandbox-rx stop`: the status and logs stay. */
export function addStopCommand(program: Command): void {
  addEndCommand(program.command('stop'), async (sandbox) => sandbox.stop()).description(
    'end all that runs in sandboxes; their status and logs stay; prints the id of each',
  );
}

/** `sandbox-rx delete`: nothing stays. */
export function addDeleteCommand(program: Command): void {
  addEndCommand(program.command('delete'), async (sandbox) => {
    await sandbox.delete();
    return { id: sandbox.id, status: 'deleted' };
  })
    .alias('rm')
    .description('end sandboxes and remove everything of them; prints the id of each');
}

/** What is printed of a sandbox that was ended, with `--json`. */
type Ended = Pick<SandboxInfo, 'id' | 'status'>;
type End = (sandbox: Sandbox) => Promise<Ended>;

function addEndCommand(command: Command, end: End): Command {
  return addConnectionOptions(command)
    .argument('<sandbox...>', 'their ids')
    .option('--json', 'print a JSON object a line')
    .addHelpText('after', answerStatusHelp)
    .action((ids: string[], { json }: { readonly json?: boolean }) =>
      answerEach(connectionOf(command), { ids, json }, async (client, id) =>
        end(await client.get(id)),
      ),
    );
}
