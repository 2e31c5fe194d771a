import type { Command } from 'commander';
import type { OutputStream } from '../process/process-event.js';
import type { Process } from '../process/process.js';
import { untilClosedPipe } from './closed-pipe.js';
import { addSandboxOptions, type SandboxOptions } from './options.js';
import { copy, write } from './output.js';
import { inSandbox } from './session.js';

interface RunOptions extends SandboxOptions {
  readonly json?: boolean;
}

/** `sandbox-rx run`: one command in a sandbox of its own, as transparent as `env(1)`. */
export function addRunCommand(program: Command): void {
  addSandboxOptions(program.command('run'))
    .description(
      'run a command in a new sandbox, with its input, output and exit status passed through',
    )
    .option('--json', 'print one event a line instead of the output')
    .argument('<command...>', 'the program and its arguments')
    .passThroughOptions()
    .addHelpText('after', '\nExample: sandbox-rx run --timeout 30s -- python3 -c "print(6 * 7)"')
    .action((command: string[], options: RunOptions) => run(command, options));
}

async function run(command: readonly string[], options: RunOptions): Promise<never> {
  const { cwd, env, timeout } = options;
  return inSandbox<Uint8Array>(options, {
    start: (sandbox) =>
      sandbox.exec(command, {
        env,
        encoding: 'buffer',
        stdin: process.stdin,
        // What was passed on is not needed again.
        retainBytes: 0,
        overflow: 'backpressure',
        ...(cwd !== undefined && { cwd }),
        ...(timeout !== undefined && { timeoutMs: timeout }),
      }),
    follow: options.json ? printEvents : passThrough,
  });
}

/** Both streams to their own; a slow reader of ours makes the command wait. */
async function passThrough(running: Process<Uint8Array>): Promise<number> {
  return untilClosedPipe(async () => {
    await Promise.all([copy(running.stdout, process.stdout), copy(running.stderr, process.stderr)]);
    return running.wait();
  });
}

/** One JSON object a line: text where the bytes are UTF-8, otherwise base64. */
async function printEvents(running: Process<Uint8Array>): Promise<number> {
  return untilClosedPipe(async () => {
    await Promise.all([printOutput(running, 'stdout'), printOutput(running, 'stderr')]);
    const { returncode, signal, outputHeld } = await running;
    await print({ type: 'exit', returncode, signal, ...(outputHeld && { outputHeld }) });
    return returncode;
  });
}

async function printOutput(running: Process<Uint8Array>, type: OutputStream): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let offset = 0;
  for await (const bytes of running[type]) {
    await print({ type, offset, ...content(bytes, decoder) });
    offset += bytes.length;
  }
}

function content(bytes: Uint8Array, decoder: TextDecoder): { text: string } | { base64: string } {
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

function print(event: object): Promise<void> {
  return write(process.stdout, `${JSON.stringify(event)}\n`);
}
