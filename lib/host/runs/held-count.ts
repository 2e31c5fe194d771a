/** Whose runs go on without a call, which count as those with one do. */
export class HeldCount {
  readonly #byCaller: Map<string | undefined, number> = new Map();
  #all = 0;

  get all(): number {
    return this.#all;
  }

  /** Those that callers with this token started. */
  of(caller: string | undefined): number {
    return this.#byCaller.get(caller) ?? 0;
  }

  add(caller: string | undefined): void {
    this.#all++;
    this.#byCaller.set(caller, this.of(caller) + 1);
  }

  remove(caller: string | undefined): void {
    this.#all--;
    const left = this.of(caller) - 1;
    if (left > 0) this.#byCaller.set(caller, left);
    else this.#byCaller.delete(caller);
  }
}
