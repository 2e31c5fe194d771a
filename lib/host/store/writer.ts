import type { Table } from './table.js';

/** Writes values down in the order in which they are given, so that of each id the last one stays. */
export class Writer<T> {
  readonly #table: Table<T>;
  /** The last thing that is done about each id. */
  readonly #writes: Map<string, Promise<void>> = new Map();

  constructor(table: Table<T>) {
    this.#table = table;
  }

  put(id: string, value: T): void {
    this.#then(id, () => this.#table.put(id, value));
  }

  delete(id: string): void {
    this.#then(id, () => this.#table.delete(id));
  }

  /** Resolves when what was given for an id by now would survive a crash. */
  written(id: string): Promise<void> {
    return this.#writes.get(id) ?? Promise.resolve();
  }

  /** Resolves when everything is written. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#writes.values());
  }

  #then(id: string, write: () => Promise<void>): void {
    const before = this.#writes.get(id) ?? Promise.resolve();
    // What failed before does not keep later changes from being written.
    const writing = before.then(write, write);
    this.#writes.set(id, writing);
    const done = (): void => {
      if (this.#writes.get(id) === writing) this.#writes.delete(id);
    };
    writing.then(done, done);
  }
}
