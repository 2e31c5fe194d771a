/** So many ids are remembered at most. */
const capacity = 10_000;

/** The ids that were added last. */
export class Recently {
  readonly #ids: Set<string> = new Set();

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= capacity) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  delete(id: string): void {
    this.#ids.delete(id);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
