/** Values of one kind that outlive the host, by their ids. */
export interface Table<T> {
  /** Resolves when the value would survive a crash. */
  put(id: string, value: T): Promise<void>;
  delete(id: string): Promise<void>;
  all(): Promise<readonly T[]>;
}

/** A table that is gone with the host. */
export class MemoryTable<T> implements Table<T> {
  readonly #values: Map<string, T> = new Map();

  put(id: string, value: T): Promise<void> {
    this.#values.set(id, value);
    return Promise.resolve();
  }

  delete(id: string): Promise<void> {
    this.#values.delete(id);
    return Promise.resolve();
  }

  all(): Promise<readonly T[]> {
    return Promise.resolve([...this.#values.values()]);
  }
}
