import type * as NodePty from '@lydell/node-pty';
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../support/repository.js';

// The command as users start it: built, in a process of its own.
const cli = join(root, 'dist/cli.js');

/** How a command ended, and all that it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is set here says nothing of the servers that tests reach. */
const cleanEnv = { ...process.env, CWSANDBOX_BASE_URL: '', CWSANDBOX_API_KEY: '' };

/** Starts `sandbox-rx` with pipes. */
export function start(...args: readonly string[]): ChildProcess {
  return startWith({}, ...args);
}

/** Starts `sandbox-rx` with pipes and these variables. */
export function startWith(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): ChildProcess {
  return startPiped(env, ...args);
}

/** The same, for who uses all of its pipes. */
export function startPiped(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [cli, ...args], { stdio: 'pipe', env: { ...cleanEnv, ...env } });
}

/** Settles when the command is over. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (stderr += text.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** What was printed with `--json`, a value a line. */
export function jsonLines(stdout: string): readonly unknown[] {
  const lines = stdout.trimEnd().split('\n');
  return lines.map((line): unknown => JSON.parse(line));
}

/** A terminal with a command on it. */
export interface Terminal {
  write(keys: string): void;
  resize(cols: number, rows: number): void;
  /** Settles when the screen shows this after what was last waited for. */
  until(pattern: RegExp): Promise<void>;
  readonly exited: Promise<number>;
}

/** Starts `sandbox-rx` on a terminal of 30 rows of 100. */
export function openTerminal(...args: readonly string[]): Terminal {
  const pty = createRequire(import.meta.url)('@lydell/node-pty') as typeof NodePty;
  const terminal = pty.spawn(process.execPath, [cli, ...args], {
    ...{ cols: 100, rows: 30, env: cleanEnv },
  });
  let shown = '';
  let look = (): void => undefined;
  terminal.onData((text) => {
    shown += text;
    look();
  });
  return {
    write: (keys) => {
      terminal.write(keys);
    },
    resize: (cols, rows) => {
      terminal.resize(cols, rows);
    },
    until: (pattern) =>
      new Promise((resolve) => {
        look = () => {
          if (!pattern.test(shown)) return;
          shown = '';
          look = () => undefined;
          resolve();
        };
        look();
      }),
    exited: new Promise((resolve) => {
      terminal.onExit(({ exitCode }) => {
        resolve(exitCode);
      });
    }),
  };
}

/**
 * Typed into a shell, says `resized` once the terminal has this size. Keys and sizes take different ways to it: those that
 * are typed later may come first.
 */
export function awaitSize(rows: number, cols: number): string {
  return `until stty size | grep -q "^${rows} ${cols}$"; do :; done; echo re""sized\r`;
}
