import type { StoredSandbox } from '../../wire/generated/sandboxrx/store/v1/store.js';
import { runner } from '../runner.js';
import type { HostSandbox } from '../host-sandbox.js';
import type { Sandboxes } from '../sandboxes.js';
import type { Table } from './table.js';
import { Writer } from './writer.js';

/** Writes down how sandboxes stand, as they change. */
export class Journal {
  readonly #writer: Writer<StoredSandbox>;

  constructor(table: Table<StoredSandbox>, sandboxes: Sandboxes) {
    this.#writer = new Writer(table);
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
      this.#writer.put(record.id, stored(sandbox));
    };
    write();
    const changes = record.changed$.subscribe({ next: write, error: ignore });
    const forget = (): void => {
      changes.unsubscribe();
      this.#writer.delete(record.id);
    };
    forgotten.subscribe({ error: forget, complete: forget });
  }

  /** Resolves when all that is known of a sandbox by now would survive a crash. */
  written({ record }: HostSandbox): Promise<void> {
    return this.#writer.written(record.id);
  }

  /** Resolves when everything is written. */
  settled(): Promise<void> {
    return this.#writer.settled();
  }
}

function stored({
  record,
  owner = '',
  backendId = '',
  request,
  ending,
}: HostSandbox): StoredSandbox {
  return {
    ...{
      sandbox: record.message(runner),
      number: BigInt(record.number),
      owner,
      backendId,
      request,
    },
    ending: ending && {
      ...{ request: ending.request, owner: ending.owner ?? '' },
      snapshotIds: [...ending.snapshotIds],
    },
  };
}

function ignore(): void {
  // A subject that never fails.
}
