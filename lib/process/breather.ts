/** How long others may be kept from their turn. */
const longMs = 8;

/**
 * Takes steps that may follow each other in microtasks without end, and lets timers and I/O have a turn in between. A
 * timer tells whether they had one, so that steps that leave them their turn anyway are never held up.
 */
export class Breather {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  /** Takes the step at once, or after a turn of the others when they have waited for long. */
  take(step: () => void): void {
    if (this.#timer !== undefined && performance.now() - this.#since >= longMs) {
      // Not with the timer that is overdue: Node fires such a one, and what it leads to, before it looks at any I/O.
      this.#wait(step);
      return;
    }
    if (this.#timer === undefined) {
      this.#since = performance.now();
      this.#wait();
    }
    step();
  }

  /** A step that has not been taken is not taken any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(step?: () => void): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      step?.();
    });
  }
}
