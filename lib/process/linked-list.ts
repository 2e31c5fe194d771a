/** The place of an item in a {@link LinkedList}: its owner keeps it, and may add it again and again. */
export class Link<T> {
  readonly item: T;
  /** @internal */
  list: LinkedList<T> | undefined;
  /** @internal */
  before: Link<T> | undefined;
  /** @internal */
  after: Link<T> | undefined;

  constructor(item: T) {
    this.item = item;
  }
}

/**
 * Items in the order in which they were added, each of which can be taken out wherever it stands. What has been taken out can be
 * collected at once, as with a `LiveMap`, which tells why.
 */
export class LinkedList<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first?.item;
  }

  /** At the end, in a place of its own. */
  push(item: T): Link<T> {
    const link = new Link(item);
    this.add(link);
    return link;
  }

  /** At the end; one that is there already stays where it is. */
  add(link: Link<T>): void {
    if (link.list === this) return;
    link.list?.delete(link);
    link.list = this;
    link.before = this.#last;
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#size++;
  }

  /** `true`: it was there. */
  delete(link: Link<T>): boolean {
    if (link.list !== this) return false;
    const { before, after } = link;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    link.list = link.before = link.after = undefined;
    this.#size--;
    return true;
  }

  /** Takes the first away. */
  shift(): T | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.delete(first);
    return first.item;
  }

  /** Takes all away. */
  takeAll(): T[] {
    const items = this.items();
    while (this.shift() !== undefined);
    return items;
  }

  /** Those that are there now. */
  items(): T[] {
    const items: T[] = [];
    for (let link = this.#first; link !== undefined; link = link.after) items.push(link.item);
    return items;
  }
}
