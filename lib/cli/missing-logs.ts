import type { OutputEvent, OutputStream } from '../process/process-event.js';
import { tell } from './failure.js';

/** Tells on standard error what logs begin without. */
export class MissingLogs {
  readonly #seen: Set<OutputStream> = new Set();

  /** Looks at what is missing before an event. */
  before({ type, offset }: OutputEvent): void {
    if (this.#seen.has(type)) return;
    this.#seen.add(type);
    if (offset > 0) tell(`the first ${offset} bytes are no longer kept`);
  }
}
