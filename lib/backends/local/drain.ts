/**
 * Waits, after a process has ended, for its output to go quiet: a descendant may hold the pipes open for ever. The
 * clock starts again with each chunk and stands still while the run is paused.
 */
export class DrainClock {
  readonly #graceMs: number;
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #check: NodeJS.Immediate | undefined;
  #still = false;

  constructor(graceMs: number, expired: () => void) {
    this.#graceMs = graceMs;
    this.#expired = expired;
    this.restart();
  }

  /** Something came. */
  restart(): void {
    this.#clear();
    if (this.#still) return;
    this.#timer = setTimeout(() => {
      // After a busy turn, timers fire before the pipes are read: give them one more turn to show what they hold.
      this.#check = setImmediate(() => {
        this.#check = setImmediate(this.#expired);
      });
    }, this.#graceMs);
  }

  /** Stands still while the run is paused, whatever still comes. */
  hold(): void {
    this.#still = true;
    this.#clear();
  }

  /** Goes on after a pause, from the start. */
  release(): void {
    this.#still = false;
    this.restart();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#check);
  }
}
