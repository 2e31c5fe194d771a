/** A queue that takes as long to give its first value when it is long as when it is short, which `Array.shift` does not. */
export class Fifo<T> {
  #values: T[] = [];
  #head = 0;

  get size(): number {
    return this.#values.length - this.#head;
  }

  /** The value that is the next to be taken away. */
  get first(): T | undefined {
    return this.#values[this.#head];
  }

  push(value: T): void {
    this.#values.push(value);
  }

  /** Takes the first value away; there has to be one. */
  shift(): T {
    const value = this.#values[this.#head] as T;
    this.#head++;
    if (this.#head * 2 >= this.#values.length) {
      this.#values = this.#values.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }
}
