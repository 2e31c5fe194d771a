import type { Command } from 'commander';
import type { SandboxSpec, ServicePort } from '../sandbox/sandbox-spec.js';
import { statusOfAnswer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp, ownFailure } from './exit-status.js';
import { envOption, lifetimeOption, networkOption, tagOption } from './options.js';
import { printJson, write } from './output.js';
import { publishOption } from './publish-option.js';
import { endWith } from './signals.js';
import { unlessStopped } from './unless-stopped.js';
import { addVolumeOptions, volumesOf, type VolumeOptions } from './volume-options.js';

interface CreateOptions extends VolumeOptions, Pick<SandboxSpec, 'id' | 'cwd' | 'network'> {
  readonly tag: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly lifetime?: number;
  readonly publish: readonly ServicePort[];
  readonly json?: boolean;
}

/** `sandbox-rx create`: a sandbox on a server, which stays there. */
export function addCreateCommand(program: Command): void {
  addVolumeOptions(addConnectionOptions(program.command('create')))
    .description('make a sandbox on a server and print its id when it runs')
    .option('--id <id>', 'its id (default: the server chooses one)')
    .addOption(tagOption('a word to find it by; may be given several times'))
    .addOption(
      envOption(
        'set a variable for all of its commands; without a value, pass on the one that is set here',
      ),
    )
    .option('--cwd <dir>', "directory in which commands start (default: the sandbox's home)")
    .addOption(lifetimeOption('end it', 'no end'))
    .addOption(networkOption())
    .addOption(publishOption())
    .option('--json', 'print a JSON object with all that is known of it')
    .argument('[command...]', 'its main command, with which it ends (default: none)')
    .passThroughOptions()
    .addHelpText(
      'after',
      '\nExample: sandbox-rx create --tag demo --lifetime 1h --publish 8080:web',
    )
    .addHelpText('after', answerStatusHelp)
    .action((words: string[], options: CreateOptions, command: Command) =>
      endWith((stop) =>
        statusOfAnswer(connectionOf(command), async (client) => {
          const spec = specOf(words, options);
          const sandbox = await unlessStopped(stop, 'sandbox', {
            make: () => client.create(spec),
            undo: (made) => made.delete(),
          });
          if (sandbox === undefined) return ownFailure;
          if (options.json) await printJson(await sandbox.status());
          else await write(process.stdout, `${sandbox.id}\n`);
          return 0;
        }),
      ),
    );
}

function specOf(command: readonly string[], options: CreateOptions): SandboxSpec {
  const { id, tag: tags, env, cwd, lifetime, network, publish: services } = options;
  const volumes = volumesOf(options);
  return {
    ...{ tags, env },
    ...(volumes.length > 0 && { volumes }),
    ...(command.length > 0 && { command }),
    ...(id !== undefined && { id }),
    ...(cwd !== undefined && { cwd }),
    ...(lifetime !== undefined && { lifetimeMs: lifetime }),
    ...(network !== undefined && { network }),
    ...(services.length > 0 && { services }),
  };
}
