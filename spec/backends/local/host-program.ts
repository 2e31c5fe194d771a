import { build } from 'esbuild';
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../support/repository.js';
import { processesWith, uniqueWord } from './host.js';

/** A Node program of its own that uses sandboxes, so that it can be killed. */
export class HostProgram {
  /** Marks all that it starts: in arguments, or in the path of its directory. */
  readonly word: string = uniqueWord();
  readonly directory: string;
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(
    program: string,
    args: readonly [mode: string, isolation: string],
    options: HostOptions = {},
  ) {
    this.directory = mkdtempSync(join(tmpdir(), `${this.word}-`));
    chmodSync(this.directory, 0o777);
    const [file, ...rest] = [...(options.through ?? ['env']), process.execPath, program, ...args];
    this.child = spawn(file, [...rest, this.word, this.directory], {
      stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], TMPDIR: this.directory },
    });
    this.child.stdout?.on('data', (text: Buffer) => (this.stdout += text.toString()));
    this.child.stderr?.on('data', (text: Buffer) => (this.stderr += text.toString()));
  }

  /** What it says, and that it ends by itself. */
  async said(): Promise<string> {
    await this.ended();
    return this.stdout.trim() || this.stderr;
  }

  ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.child.exitCode !== null || this.child.signalCode !== null) resolve();
      else this.child.once('close', () => resolve());
    });
  }

  /** Processes and files of it that are still there. */
  left(): readonly (number | string)[] {
    return [...processesWith(this.word), ...readdirSync(this.directory)];
  }

  dispose(): void {
    this.child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

interface HostOptions {
  readonly stdio?: StdioOptions;
  /** A command that starts it. */
  readonly through?: readonly string[];
}

/** Bundles the program into a file that plain `node` runs. It is not below any `node_modules`. */
export async function bundledHostProgram(): Promise<{ program: string; remove: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), 'host-program-'));
  chmodSync(directory, 0o755);
  const program = join(directory, 'program.mjs');
  await build({
    entryPoints: [join(root, 'spec/backends/local/fixtures/host-program.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    absWorkingDir: root,
  });
  return { program, remove: () => rmSync(directory, { recursive: true }) };
}
