import type { StoredSandbox } from '../../wire/generated/sandboxrx/store/v1/store.js';
import { runner } from '../runner.js';
import type { HostSandbox } from '../host-sandbox.js';
import type { Sandboxes } from '../sandboxes.js';
import type { Table } from './table.js';

/** Writes down how sandboxes stand, as they change. */
export class Journal {
  readonly #table: Table<StoredSandbox>;
  /** The last thing that is done about each sandbox: one after another, so that the last one wins. */
  readonly #writes: Map<string, Promise<void>> = new Map();

  constructor(table: Table<StoredSandbox>, sandboxes: Sandboxes) {
    this.#table = table;
    sandboxes.created$.subscribe({
      next: (sandbox) => {
        this.follow(sandbox);
      },
      error: ignore,
    });
  }

  /** Writes a sandbox down, now and at each change, until it is forgotten. */
  follow(sandbox: HostSandbox): void {
    const { record, forgotten } = sandbox;
    const write = (): void => {
      this.#then(record.id, () => this.#table.put(record.id, stored(sandbox)));
    };
    write();
    const changes = record.changed$.subscribe({ next: write, error: ignore });
    const forget = (): void => {
      changes.unsubscribe();
      this.#then(record.id, () => this.#table.delete(record.id));
    };
    forgotten.subscribe({ error: forget, complete: forget });
  }

  /** Resolves when all that is known of a sandbox by now would survive a crash. */
  written({ record }: HostSandbox): Promise<void> {
    return this.#writes.get(record.id) ?? Promise.resolve();
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

function stored({ record, owner = '', backendId = '', request }: HostSandbox): StoredSandbox {
  const sandbox = record.message(runner);
  return { sandbox, number: BigInt(record.number), owner, backendId, request };
}

function ignore(): void {
  // A subject that never fails.
}
