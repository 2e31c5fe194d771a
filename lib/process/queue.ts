/** First in, first out. What it costs to take the first does not grow with the length, as that of `Array.shift` does. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The item at a place, counted from the first. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Takes the first away. @throws RangeError where there is none */
  shift(): T {
    if (this.length === 0) throw new RangeError('the queue is empty');
    const item = this.#items[this.#head] as T;
    this.#items[this.#head++] = undefined;
    if (this.length === 0) this.clear();
    else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
