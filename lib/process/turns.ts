/**
 * Takes steps one after another. A consumer may make the run go on, or end it, from within its callback: that step
 * waits until every other consumer has been told of what came before.
 */
export class Turns {
  #busy = false;
  #later: (() => void)[] | undefined;

  /** Takes a step now or, while another is being taken, after it. */
  take(step: () => void): void {
    this.give(undefined, { take: step });
  }

  /** Lets `taker` take `value` in its turn. Where it need not wait, as nearly always, nothing is allocated for it. */
  give<T>(value: T, taker: Taker<T>): void {
    if (this.#busy) {
      (this.#later ??= []).push(() => {
        taker.take(value);
      });
      return;
    }
    this.#busy = true;
    try {
      taker.take(value);
    } finally {
      this.#takeLater();
    }
  }

  #takeLater(): void {
    try {
      for (let step = this.#later?.shift(); step !== undefined; step = this.#later?.shift()) step();
    } finally {
      this.#busy = false;
    }
  }
}

/** Takes values one at a time. */
interface Taker<T> {
  take(value: T): void;
}
