import { Option, type Command } from 'commander';
import { addConnectionOptions, connectionOf } from './connection.js';
import { execOptionsOf } from './exec-options.js';
import { runStatusHelp } from './exit-status.js';
import { addRunOptions, type RunOptions } from './options.js';
import { passThrough, printEvents } from './pass-on.js';
import { sandboxNamed } from './place.js';
import { inSandbox, type Work } from './session.js';
import { converse, onTerminal } from './terminal.js';

interface ExecCommandOptions extends RunOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly json?: boolean;
}

/** `sandbox-rx exec`: one command in a sandbox that there is. */
export function addExecCommand(program: Command): void {
  const command = addConnectionOptions(addRunOptions(program.command('exec')))
    .usage('[options] <sandbox> [--] <command...>')
    .description('run a command in a sandbox on a server, with its output and exit status')
    .option('-i, --interactive', 'pass on standard input (default: the command has an empty one)')
    .addOption(new Option('-t, --tty', 'give it a terminal that follows ours').conflicts('json'))
    .option('--json', 'print one event a line instead of the output')
    .argument('<sandbox>', 'the id of the sandbox')
    .argument('<command...>', 'the program and its arguments')
    .passThroughOptions()
    .addHelpText('after', '\nExample: sandbox-rx exec -it SANDBOX -- bash')
    .addHelpText('after', runStatusHelp)
    .action((id: string, words: string[], options: ExecCommandOptions) =>
      inSandbox(sandboxNamed(id, connectionOf(command)), workOf(argvOf(words, command), options)),
    );
}

/** Everything behind the sandbox is the command's, so the word that parts them comes with it. */
function argvOf(words: readonly string[], command: Command): readonly string[] {
  const [first = '', ...rest] = words;
  if (first === '--') return rest.length > 0 ? rest : command.error(noCommand);
  if (first.startsWith('-')) command.error(`error: option '${first}' has to stand before SANDBOX`);
  return words;
}

const noCommand = "error: missing required argument 'command'";

function workOf(words: readonly string[], options: ExecCommandOptions): Work<Uint8Array> {
  const { interactive = false, tty, json } = options;
  const shared = execOptionsOf(options);
  if (tty) {
    return {
      start: (sandbox) =>
        sandbox.exec(words, { ...shared, ...onTerminal(options.env), stdin: interactive }),
      follow: converse,
    };
  }
  return {
    start: (sandbox) =>
      sandbox.exec(words, { ...shared, stdin: interactive ? process.stdin : false }),
    follow: json ? printEvents : passThrough,
  };
}
