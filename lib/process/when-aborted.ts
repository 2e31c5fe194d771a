import { LinkedList } from './linked-list.js';

/** All who wait for one signal, by one listener: Node warns of more than ten. */
class AbortWaiters {
  readonly #signal: AbortSignal;
  readonly #waiters: LinkedList<() => void> = new LinkedList();
  readonly #tell = (): void => {
    for (const aborted of this.#waiters.takeAll()) aborted();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(aborted: () => void): () => void {
    if (this.#waiters.size === 0)
      this.#signal.addEventListener('abort', this.#tell, { once: true });
    const link = this.#waiters.push(aborted);
    return () => {
      if (this.#waiters.delete(link) && this.#waiters.size === 0)
        this.#signal.removeEventListener('abort', this.#tell);
    };
  }
}

const waiters: WeakMap<AbortSignal, AbortWaiters> = new WeakMap();

/** Calls back when the signal is aborted, however many wait for it; what it returns takes that back. */
export function whenAborted(signal: AbortSignal, aborted: () => void): () => void {
  let ofSignal = waiters.get(signal);
  if (ofSignal === undefined) waiters.set(signal, (ofSignal = new AbortWaiters(signal)));
  return ofSignal.add(aborted);
}
