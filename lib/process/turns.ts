/**
 * Takes steps one after another. A consumer may make the run go on, or end it, from within its callback: that step
 * waits until every other consumer has been told of what came before.
 */
export class Turns {
  #busy = false;
  #later: (() => void)[] | undefined;

  /** Takes a step now or, while another is being taken, after it. */
  take(step: () => void): void {
    if (!this.begin()) {
      (this.#later ??= []).push(step);
      return;
    }
    try {
      step();
    } finally {
      this.end();
    }
  }

  /** `true` when a step may be taken now, to be followed by `end()`: for steps too many to be made functions of. */
  begin(): boolean {
    if (this.#busy) return false;
    this.#busy = true;
    return true;
  }

  /** Takes the steps that had to wait. */
  end(): void {
    try {
      for (let step = this.#later?.shift(); step !== undefined; step = this.#later?.shift()) step();
    } finally {
      this.#busy = false;
    }
  }
}
