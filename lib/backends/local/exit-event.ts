import type { ProcessEvent } from '../../process/process-event.js';
import { signalNumber } from './signals.js';

/** How a child process ended, as Node tells it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The event that tells of it. */
export function exitEvent({ code, signal }: Exit, outputHeld: boolean): ProcessEvent {
  const held = outputHeld ? { outputHeld: true as const } : undefined;
  return signal === null
    ? { type: 'exit', returncode: code ?? 0, ...held }
    : { type: 'exit', returncode: 128 + signalNumber(signal), signal, ...held };
}
