import { InvalidArgumentError, Option, type Command } from 'commander';
import { resolve } from 'node:path';
import type { Mount } from '../backends/local/bubblewrap-arguments.js';
import { maxTimerMs } from '../process/validate.js';

/** What all commands that make a sandbox understand. */
export interface SandboxOptions {
  readonly isolation: 'bubblewrap' | 'none';
  readonly network?: 'none' | 'host';
  readonly mount: readonly Mount[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** Adds the options of {@link SandboxOptions}. */
export function addSandboxOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--isolation <kind>',
        "'none' runs plain child processes: for trusted commands only",
      )
        .choices(['bubblewrap', 'none'])
        .default('bubblewrap'),
    )
    .addOption(
      new Option('--network <kind>', 'default: none, where there is isolation').choices([
        'none',
        'host',
      ]),
    )
    .option(
      '--mount <source[:target][:rw]>',
      'show a directory of this machine in the sandbox',
      addMount,
      [],
    )
    .option('--cwd <dir>', "directory in the sandbox to start in (default: the sandbox's home)")
    .option(
      '--env <name[=value]>',
      'set a variable; without a value, pass on the one that is set here',
      addEnv,
      {},
    )
    .option(
      '--timeout <duration>',
      'kill the command after this time: 500ms, 30s, 5m, 1h (plain numbers: seconds)',
      duration,
    );
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

function addEnv(
  text: string,
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at === 0) throw new InvalidArgumentError('A variable needs a name.');
  if (at > 0) return { ...env, [text.slice(0, at)]: text.slice(at + 1) };
  const inherited = process.env[text];
  return inherited === undefined ? env : { ...env, [text]: inherited };
}

const unitsMs: Readonly<Record<string, number | undefined>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function duration(text: string): number {
  const [, number = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const milliseconds = Math.ceil(Number(number) * (unitsMs[unit] ?? 0));
  if (number === '' || milliseconds < 1 || milliseconds > maxTimerMs) {
    throw new InvalidArgumentError('It is a number with ms, s, m or h behind it, up to 24 days.');
  }
  return milliseconds;
}
