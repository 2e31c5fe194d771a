import type { Command } from 'commander';
import type { Process } from '../process/process.js';
import type { WindowSize } from '../process/process-controls.js';
import type { StreamWriter } from '../process/stream-writer.js';
import { untilClosedPipe } from './closed-pipe.js';
import { addSandboxOptions, type SandboxOptions } from './options.js';
import { copy } from './output.js';
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
  return inSandbox<Uint8Array>(options, {
    start: (sandbox) =>
      sandbox.exec(bestShell, {
        tty: windowSize(),
        stdin: true,
        env: { TERM: process.env['TERM'] ?? 'xterm-256color', ...env },
        encoding: 'buffer',
        // What was shown is not needed again.
        retainBytes: 0,
        overflow: 'backpressure',
        ...(cwd !== undefined && { cwd }),
        ...(timeout !== undefined && { timeoutMs: timeout }),
      }),
    follow: (running) => untilClosedPipe(() => converse(running)),
  });
}

/** Connects this program's terminal with the shell's. */
async function converse(running: Process<Uint8Array>): Promise<number> {
  const { stdin, stdout } = process;
  const onResize = (): void => {
    if (running.state === 'running') running.resize(windowSize());
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  if (running.stdin !== null) passKeys(running.stdin);
  stdout.on('resize', onResize);
  try {
    // A run that is killed is over at once, whether or not anybody takes what it wrote.
    const [status] = await Promise.all([running.wait(), copy(running.stdout, stdout)]);
    return status;
  } finally {
    stdout.off('resize', onResize);
    if (stdin.isTTY) stdin.setRawMode(false);
  }
}

/** Hands on what is typed, as fast as the shell takes it, until the shell takes no more. */
function passKeys(input: StreamWriter): void {
  const { stdin } = process;
  const onKeys = (keys: Buffer): void => {
    stdin.pause();
    input.write(keys).then(() => stdin.resume(), ignore);
  };
  const onEnd = (): void => {
    input.close();
  };
  stdin.on('data', onKeys);
  stdin.once('end', onEnd);
  // A terminal that was hung up cannot be read.
  stdin.once('error', onEnd);
  input.closed.then(() => stdin.off('data', onKeys), ignore);
}

function windowSize(): WindowSize {
  const { rows, columns } = process.stdout;
  return { rows: rows || 24, cols: columns || 80 };
}

function ignore(): void {
  // The shell has ended, and wait() reports how.
}
