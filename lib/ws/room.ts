/** The least that may be under way, and the most. */
const leastBytes = 65_536;
const mostBytes = 524_288;
/** So long a message may have to wait for what others have sent before it. */
const soonMs = 1;

/**
 * How much may be under way before senders have to wait: no more than goes out in a moment, for what is handed over can no
 * longer be overtaken by another stream's; and no less than that, or each write has to be waited for.
 */
export class Room {
  readonly #now: () => number;
  #roomBytes = leastBytes;
  #unsentBytes = 0;
  #fullAt: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  get isFull(): boolean {
    return this.#fullAt !== undefined;
  }

  /** As much is under way. */
  take(bytes: number): void {
    this.#unsentBytes += bytes;
    if (this.#unsentBytes >= this.#roomBytes) this.#fullAt ??= this.#now();
  }

  /** As much has gone out. `true`: there is room again. */
  give(bytes: number): boolean {
    this.#unsentBytes -= bytes;
    if (this.#fullAt === undefined || this.#unsentBytes >= this.#roomBytes) return false;
    const isSoon = this.#now() - this.#fullAt < soonMs;
    this.#roomBytes = isSoon ? Math.min(2 * this.#roomBytes, mostBytes) : leastBytes;
    this.#fullAt = undefined;
    return true;
  }
}
