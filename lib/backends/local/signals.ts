import { constants } from 'node:os';
import { refuse } from '../../process/validate.js';

const numbers: Readonly<Record<string, number | undefined>> = constants.signals;

/** The number of a signal on this system. */
export function signalNumber(name: string): number {
  return numbers[name] ?? refuse('signal', `a signal of this system, such as 'SIGTERM'`, name);
}
