import type { OutputStream } from '../process/process-event.js';
import type { Process } from '../process/process.js';
import { untilClosedPipe } from './closed-pipe.js';
import { EventLines } from './event-lines.js';
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
  const lines = new EventLines(type);
  let offset = 0;
  try {
    for await (const bytes of running[type]) {
      await lines.print(bytes, offset);
      offset += bytes.length;
    }
  } finally {
    await lines.printRest();
  }
}
