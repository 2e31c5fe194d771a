import type { Command } from 'commander';
import type { SandboxClient } from '../sandbox/sandbox-client.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { copyEndOf, type CopyEnd } from './copy-end.js';
import { download } from './download.js';
import { answerStatusHelp } from './exit-status.js';
import { printJson } from './output.js';
import { upload } from './upload.js';

interface CopyOptions {
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const copyHelp = `
Examples: sandbox-rx cp main.py SANDBOX:src/     into a directory, under the same name
          sandbox-rx cp SANDBOX:result.bin .
          sandbox-rx cp SANDBOX:log.gz - | zcat

A path in a sandbox starts at its home. A file here whose name holds a colon is written as ./NAME.`;

/** `sandbox-rx cp`: a file into a sandbox, or out of it. */
export function addCopyCommand(program: Command): void {
  const command = addConnectionOptions(program.command('cp'))
    .description('copy a file into a sandbox or out of it')
    .argument('<source>', 'SANDBOX:PATH, a file, or - for standard input')
    .argument('<destination>', 'SANDBOX:PATH, a file or a directory, or - for standard output')
    .option('-q, --quiet', 'no progress, which is shown where standard error is a terminal')
    .option('--json', 'print a JSON object when it is done')
    .addHelpText('after', copyHelp)
    .addHelpText('after', answerStatusHelp)
    .action((from: string, to: string, options: CopyOptions) => {
      const [source, target] = [copyEndOf(from), copyEndOf(to)];
      if (options.json && target.type === 'standard')
        command.error('error: with --json, standard output cannot be the destination');
      return answer(connectionOf(command), async (client) => {
        const bytes = await copy(client, { source, target, quiet: options.quiet ?? false });
        if (options.json) await printJson({ source: from, destination: to, bytes });
        return 0;
      });
    });
}

interface Copy {
  readonly source: CopyEnd;
  readonly target: CopyEnd;
  readonly quiet: boolean;
}

async function copy(client: SandboxClient, { source, target, quiet }: Copy): Promise<number> {
  if (source.type === 'sandbox' && target.type !== 'sandbox') {
    const { id: sandboxId, path } = source;
    await client.get(sandboxId);
    const { files } = client.backend;
    const read: Parameters<typeof download>[0]['read'] = (paused$) =>
      files.read({ sandboxId, path, paused$ });
    return download({ read, path, target, quiet });
  }
  if (source.type !== 'sandbox' && target.type === 'sandbox') {
    const { files } = await client.get(target.id);
    return upload({ source, files, path: target.path, quiet });
  }
  throw new Error('one of the two, and only one, has to be SANDBOX:PATH');
}
