/** As many fit into the first array that a queue has. */
const firstCapacity = 8;

/** A larger array is given back when the queue is empty. */
const idleCapacity = 4096;

/**
 * First in, first out. What it costs to take the first does not grow with the length, as that of `Array.shift` does, and one
 * that is filled and emptied again and again makes no garbage.
 */
export class Queue<T> {
  /** A ring: `length` items from `head` on, and then on from the beginning. Its length is a power of two. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length += 1;
  }

  /** The item at a place, counted from the first. */
  at(index: number): T | undefined {
    if (index >= this.#length) return undefined;
    return this.#items[(this.#head + index) & (this.#items.length - 1)];
  }

  /** Takes the first away. @throws RangeError where there is none */
  shift(): T {
    if (this.#length === 0) throw new RangeError('the queue is empty');
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length -= 1;
    if (this.#length === 0 && this.#items.length > idleCapacity) this.clear();
    return item;
  }

  /** Gives back what memory it has, too. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const { length } = this.#items;
    const capacity = Math.max(2 * length, firstCapacity);
    const items: (T | undefined)[] = [];
    for (let index = 0; index < capacity; index++) items.push(this.at(index));
    this.#items = items;
    this.#head = 0;
  }
}
