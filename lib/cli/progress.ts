import { byteCount } from './byte-count.js';

const intervalMs = 100;

/** How far a copy is: one line on standard error, kept up to date, where that is a terminal. */
export class Progress {
  readonly #name: string;
  readonly #total: number | undefined;
  readonly #isShown: boolean;
  readonly #startMs = performance.now();
  #shownMs = 0;
  #bytes = 0;

  /** @param total - How many bytes it will be, where that is known. */
  constructor(name: string, { total, quiet }: { total?: number | undefined; quiet: boolean }) {
    this.#name = name;
    this.#total = total;
    this.#isShown = process.stderr.isTTY && !quiet;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (performance.now() - this.#shownMs >= intervalMs) this.#show('');
  }

  end(): void {
    this.#show('\n');
  }

  #show(after: string): void {
    if (!this.#isShown) return;
    this.#shownMs = performance.now();
    const seconds = Math.max((this.#shownMs - this.#startMs) / 1000, 0.001);
    const share = this.#total ? `  ${Math.floor((100 * this.#bytes) / this.#total)}%` : '';
    const line = `${this.#name}  ${byteCount(this.#bytes)}${share}  ${byteCount(this.#bytes / seconds)}/s`;
    process.stderr.write(`\r${line}\u001b[K${after}`);
  }
}
