import type { OutputEvent, OutputStream } from '../process/process-event.js';
import { tell } from './failure.js';

/** What is missed in this time is told as one. */
const togetherMs = 1000;

/** Tells on standard error what logs begin without, and what a reader of them who was too slow has missed. */
export class MissingLogs {
  readonly #isPart: boolean;
  readonly #ends: Map<OutputStream, number> = new Map();
  #missed = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `isPart`: what they begin without may not have been asked for. */
  constructor(isPart: boolean) {
    this.#isPart = isPart;
  }

  /** Looks at what is missing before an event. */
  before({ type, offset, data }: OutputEvent): void {
    const end = this.#ends.get(type);
    this.#ends.set(type, offset + data.length);
    if (end === undefined && offset > 0 && !this.#isPart)
      tell(`the first ${offset} bytes are no longer kept`);
    if (end === undefined || offset === end) return;
    this.#missed += offset - end;
    this.#timer ??= setTimeout(() => {
      this.tellMissed();
    }, togetherMs);
  }

  /** Tells what has not been told yet. */
  tellMissed(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#missed > 0) tell(`${this.#missed} bytes were missed: they came faster than was read`);
    this.#missed = 0;
  }
}
