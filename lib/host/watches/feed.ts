import { Subject, type Observable } from 'rxjs';
import { newId } from '../../process/new-id.js';
import type { WatchCursor } from '../../wire/generated/sandboxrx/v1/watches.js';

/** What has changed since a cursor, each as it is now. */
export interface Changes<T> {
  /** The cursor was too old, or there was none: this is all that there is, and what went lately. */
  readonly isReset: boolean;
  readonly items: readonly T[];
  readonly cursor: WatchCursor;
}

/**
 * A list that changes, for any number of readers, each at its own pace: it is kept as it is now, with the ids that changed
 * last in their order. A reader who has fallen behind those, as one who comes for the first time, is given all of it.
 */
export class Feed<T extends { readonly id: string }> {
  readonly #epoch: string = newId();
  readonly #historyLength: number;
  readonly #items: Map<string, T> = new Map();
  /** The last of those that are in the list no more, as long as they are in the history. */
  readonly #ended: Map<string, T> = new Map();
  readonly #changed: Subject<void> = new Subject();
  #history: string[] = [];
  /** The revision before the history begins. */
  #start = 0;
  #isListed = false;

  /** `historyLength`: how many changes are remembered, at least. */
  constructor(historyLength: number) {
    this.#historyLength = historyLength;
  }

  /** Tells when there may be something new; completes when there will be nothing more. */
  get changed$(): Observable<void> {
    return this.#changed;
  }

  /** Whether it is known what there is. */
  get isListed(): boolean {
    return this.#isListed;
  }

  get revision(): number {
    return this.#start + this.#history.length;
  }

  listed(): void {
    this.#isListed = true;
    this.#changed.next();
  }

  set(item: T): void {
    this.#ended.delete(item.id);
    this.#items.set(item.id, item);
    this.#note(item.id);
  }

  /** It goes from the list; `last` is what is told of that. */
  end(last: T): void {
    this.#items.delete(last.id);
    this.#ended.set(last.id, last);
    this.#note(last.id);
  }

  complete(): void {
    this.#changed.complete();
  }

  fail(error: unknown): void {
    this.#changed.error(error);
  }

  since(after: WatchCursor | undefined): Changes<T> {
    const revision = Number(after?.revision ?? 0n);
    const isReset =
      after?.epoch !== this.#epoch || revision < this.#start || revision > this.revision;
    // Who comes for the first time knows nothing of those that went.
    const ended = after === undefined ? [] : this.#ended.values();
    return {
      isReset,
      items: isReset
        ? [...this.#items.values(), ...ended]
        : this.#itemsOf(this.#history.slice(revision - this.#start)),
      cursor: { epoch: this.#epoch, revision: BigInt(this.revision) },
    };
  }

  #itemsOf(ids: readonly string[]): readonly T[] {
    return [...new Set(ids)].flatMap((id) => this.#items.get(id) ?? this.#ended.get(id) ?? []);
  }

  #note(id: string): void {
    this.#history.push(id);
    if (this.#history.length > 2 * this.#historyLength) this.#shorten();
    this.#changed.next();
  }

  #shorten(): void {
    this.#start += this.#history.length - this.#historyLength;
    this.#history = this.#history.slice(-this.#historyLength);
    const remembered = new Set(this.#history);
    for (const id of this.#ended.keys()) if (!remembered.has(id)) this.#ended.delete(id);
  }
}
