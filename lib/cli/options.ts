import { InvalidArgumentError, Option, type Command } from 'commander';
import { resolve } from 'node:path';
import type { Mount } from '../backends/local/bubblewrap-arguments.js';
import { addEnv, addWord, duration } from './option-values.js';

/** What all commands that run something understand. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** What all commands that run something in a sandbox of its own understand. */
export interface SandboxOptions extends RunOptions {
  readonly isolation?: 'bubblewrap' | 'none';
  readonly network?: 'none' | 'host';
  readonly mount: readonly Mount[];
  /** Milliseconds. */
  readonly lifetime?: number;
}

/** Adds the options of {@link RunOptions}. */
export function addRunOptions(command: Command): Command {
  return command
    .option('--cwd <dir>', "directory in the sandbox to start in (default: the sandbox's)")
    .addOption(envOption('set a variable; without a value, pass on the one that is set here'))
    .option(
      '--timeout <duration>',
      'kill the command after this time: 500ms, 30s, 5m, 1h (plain numbers: seconds)',
      duration,
    );
}

/** Adds the options of {@link SandboxOptions}. */
export function addSandboxOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '--isolation <kind>',
        "embedded sandboxes only; 'none' runs plain child processes: for trusted commands only (default: bubblewrap)",
      ).choices(['bubblewrap', 'none']),
    )
    .addOption(networkOption())
    .addOption(
      new Option(
        '--mount <source[:target][:rw]>',
        'embedded sandboxes only: show a directory of this machine in the sandbox',
      )
        .argParser(addMount)
        .default([], 'none'),
    )
    .addOption(lifetimeOption('end the sandbox', 'a minute after --timeout, or no end'));
  return addRunOptions(command);
}

/** The network of a sandbox that is made. */
export function networkOption(): Option {
  return new Option('--network <kind>', 'default: none, where there is isolation').choices([
    'none',
    'host',
  ]);
}

/** When a sandbox that is made ends, whatever becomes of who made it. */
export function lifetimeOption(ends: string, otherwise: string): Option {
  return new Option(
    '--lifetime <duration>',
    `${ends} after this time: 500ms, 30s, 5m, 1h (plain numbers: seconds; default: ${otherwise})`,
  ).argParser(duration);
}

/** Variables, of a command or of a sandbox. */
export function envOption(description: string): Option {
  return new Option('--env <name[=value]>', description).argParser(addEnv).default({}, 'none');
}

/** Words of sandboxes; may be given several times. */
export function tagOption(description: string): Option {
  return new Option('--tag <tag>', description).argParser(addWord).default([], 'none');
}

function addMount(text: string, mounts: readonly Mount[]): readonly Mount[] {
  const [source = '', ...rest] = text.split(':');
  const writable = rest.at(-1) === 'rw';
  const [target, ...more] = writable ? rest.slice(0, -1) : rest;
  if (source === '' || more.length > 0)
    throw new InvalidArgumentError('It is SOURCE, SOURCE:TARGET or SOURCE:TARGET:rw.');
  const absolute = resolve(source);
  return [...mounts, { source: absolute, target: target ?? absolute, writable }];
}
