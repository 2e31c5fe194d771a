/** The first delay, and the longest, in milliseconds. */
const firstMs = 100;
export const longestBackoffMs = 5000;

/**
 * How long to wait before the next attempt: twice as long after each that came to nothing. Random, so that all clients of a
 * server that was started again do not come back at once.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): number {
    const upTo = Math.min(firstMs * 2 ** this.#failures, longestBackoffMs);
    this.#failures += 1;
    return upTo / 2 + (this.#random() * upTo) / 2;
  }

  /** The last connection was of use. One that only came about is not: a server may take connections and drop them. */
  refill(): void {
    this.#failures = 0;
  }
}
