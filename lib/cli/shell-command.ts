import type { Command } from 'commander';
import type { Process } from '../process/process.js';
import type { WindowSize } from '../process/process-controls.js';
import { untilClosedPipe } from './closed-pipe.js';
import { addSandboxOptions, type SandboxOptions } from './options.js';
import { inSandbox } from './session.js';

/** The best shell that the sandbox has. */
const bestShell = ['sh', '-c', 'command -v bash >/dev/null && exec bash -i || exec sh -i'];

/** `sandbox-rx shell`: an interactive terminal in a sandbox of its own. */
export function addShellCommand(program: Command): void {
  addSandboxOptions(program.command('shell'))
    .description('open an interactive shell in a new sandbox')
    .action((options: SandboxOptions) => shell(options));
}

async function shell(options: SandboxOptions): Promise<never> {
  const { cwd, env, timeout } = options;
  return inSandbox(options, {
    start: (sandbox) =>
      sandbox.shell({
        command: bestShell,
        tty: windowSize(),
        env: { TERM: process.env['TERM'] ?? 'xterm-256color', ...env },
        retainBytes: 0,
        ...(cwd !== undefined && { cwd }),
        ...(timeout !== undefined && { timeoutMs: timeout }),
      }),
    follow: (running) => untilClosedPipe(() => converse(running)),
  });
}

/** Connects this program's terminal with the shell's. */
async function converse(running: Process): Promise<number> {
  const { stdin, stdout } = process;
  const onKeys = (keys: Buffer): void => {
    // The shell may have ended between two keys.
    if (running.poll() === null) running.stdin?.write(keys);
  };
  const onResize = (): void => {
    if (running.poll() === null) running.resize(windowSize());
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdin.once('end', () => {
    running.stdin?.close();
  });
  stdout.on('resize', onResize);
  const showing = running.stdout$.subscribe({ next: (text) => stdout.write(text), error: ignore });
  try {
    return await running.wait();
  } finally {
    showing.unsubscribe();
    stdout.off('resize', onResize);
    stdin.off('data', onKeys);
    if (stdin.isTTY) stdin.setRawMode(false);
  }
}

function windowSize(): WindowSize {
  const { rows, columns } = process.stdout;
  return { rows: rows || 24, cols: columns || 80 };
}

function ignore(): void {
  // wait() reports it.
}
