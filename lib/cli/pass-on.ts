import type { OutputStream } from '../process/process-event.js';
import type { Process } from '../process/process.js';
import { untilClosedPipe } from './closed-pipe.js';
import { eventText } from './event-text.js';
import { copy, printJson } from './output.js';

/** Both streams to their own; a slow reader of ours makes the command wait. */
export async function passThrough(running: Process<Uint8Array>): Promise<number> {
  return untilClosedPipe(async () => {
    await Promise.all([copy(running.stdout, process.stdout), copy(running.stderr, process.stderr)]);
    return running.wait();
  });
}

/** One JSON object a line. */
export async function printEvents(running: Process<Uint8Array>): Promise<number> {
  return untilClosedPipe(async () => {
    await Promise.all([printOutput(running, 'stdout'), printOutput(running, 'stderr')]);
    const { returncode, signal, outputHeld } = await running;
    await printJson({ type: 'exit', returncode, signal, ...(outputHeld && { outputHeld }) });
    return returncode;
  });
}

async function printOutput(running: Process<Uint8Array>, type: OutputStream): Promise<void> {
  let offset = 0;
  for await (const bytes of running[type]) {
    await printJson({ type, offset, ...eventText(bytes) });
    offset += bytes.length;
  }
}
