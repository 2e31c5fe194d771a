import type { WindowSize } from '../process/process-controls.js';
import type { Process } from '../process/process.js';
import type { StreamWriter } from '../process/stream-writer.js';
import { untilClosedPipe } from './closed-pipe.js';
import { copy } from './output.js';

/** How a command is run on a terminal of the size and kind of ours. */
export function onTerminal(env: Readonly<Record<string, string>>): {
  readonly tty: WindowSize;
  readonly env: Readonly<Record<string, string>>;
} {
  return { tty: windowSize(), env: { TERM: process.env['TERM'] ?? 'xterm-256color', ...env } };
}

/** Connects this program's terminal with the command's; keys are passed on where the command takes any. */
export function converse(running: Process<Uint8Array>): Promise<number> {
  return untilClosedPipe(() => connected(running));
}

async function connected(running: Process<Uint8Array>): Promise<number> {
  const { stdin, stdout } = process;
  const onResize = (): void => {
    if (running.state === 'running') running.resize(windowSize());
  };
  const isRaw = stdin.isTTY && running.stdin !== null;
  if (isRaw) stdin.setRawMode(true);
  if (running.stdin !== null) passKeys(running.stdin);
  stdout.on('resize', onResize);
  try {
    // A run that is killed is over at once, whether or not anybody takes what it wrote.
    const [status] = await Promise.all([running.wait(), copy(running.stdout, stdout)]);
    return status;
  } finally {
    stdout.off('resize', onResize);
    if (isRaw) stdin.setRawMode(false);
  }
}

/** Hands on what is typed, as fast as the command takes it, until the command takes no more. */
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
  // The command has ended, and wait() reports how.
}
