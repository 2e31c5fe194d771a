import type { Command } from 'commander';
import { addConnectionOptions, connectionOf } from './connection.js';
import { execOptionsOf } from './exec-options.js';
import { runStatusHelp } from './exit-status.js';
import { addSandboxOptions, type SandboxOptions } from './options.js';
import { passThrough, printEvents } from './pass-on.js';
import { newSandbox } from './place.js';
import { inSandbox } from './session.js';

interface RunCommandOptions extends SandboxOptions {
  readonly json?: boolean;
}

/** `sandbox-rx run`: one command in a sandbox of its own, as transparent as `env(1)`. */
export function addRunCommand(program: Command): void {
  addConnectionOptions(addSandboxOptions(program.command('run')))
    .description(
      'run a command in a new sandbox, with its input, output and exit status passed through',
    )
    .option('--json', 'print one event a line instead of the output')
    .argument('<command...>', 'the program and its arguments')
    .passThroughOptions()
    .addHelpText('after', '\nExample: sandbox-rx run --timeout 30s -- python3 -c "print(6 * 7)"')
    .addHelpText('after', runStatusHelp)
    .action((words: string[], options: RunCommandOptions, command: Command) =>
      inSandbox<Uint8Array>(newSandbox(options, connectionOf(command)), {
        start: (sandbox) =>
          sandbox.exec(words, { ...execOptionsOf(options), stdin: process.stdin }),
        follow: options.json ? printEvents : passThrough,
      }),
    );
}
