import type { Command } from 'commander';
import { addConnectionOptions, connectionOf } from './connection.js';
import { execOptionsOf } from './exec-options.js';
import { runStatusHelp } from './exit-status.js';
import { addSandboxOptions, type SandboxOptions } from './options.js';
import { newSandbox, sandboxNamed, type Place } from './place.js';
import { inSandbox } from './session.js';
import { converse, onTerminal } from './terminal.js';

/** The best shell that the sandbox has. */
const bestShell = ['sh', '-c', 'command -v bash >/dev/null && exec bash -i || exec sh -i'];

/** `sandbox-rx shell`: an interactive terminal in a sandbox that there is, or in one of its own. */
export function addShellCommand(program: Command): void {
  addConnectionOptions(addSandboxOptions(program.command('shell')))
    .description('open an interactive shell in a sandbox, or in a new one where none is named')
    .argument('[sandbox]', 'the id of a sandbox on a server')
    .addHelpText('after', runStatusHelp)
    .action((id: string | undefined, options: SandboxOptions, command: Command) =>
      inSandbox<Uint8Array>(placeOf(id, options, command), {
        start: (sandbox) =>
          sandbox.exec(bestShell, {
            ...execOptionsOf(options),
            ...onTerminal(options.env),
            stdin: true,
          }),
        follow: converse,
      }),
    );
}

function placeOf(id: string | undefined, options: SandboxOptions, command: Command): Place {
  if (id === undefined) return newSandbox(options, connectionOf(command));
  const { isolation, network, mount, lifetime } = options;
  const given = [isolation, network, lifetime].some((option) => option !== undefined);
  if (given || mount.length > 0) {
    command.error('error: --isolation, --network, --mount and --lifetime are for a new sandbox');
  }
  return sandboxNamed(id, connectionOf(command));
}
