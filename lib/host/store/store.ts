import type { Codec } from '../../wire/codec.js';
import { ClassicLevel } from 'classic-level';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import {
  StoredSandbox,
  StoredSnapshot,
  StoredTemplate,
} from '../../wire/generated/sandboxrx/store/v1/store.js';
import { MemoryTable, type Table } from './table.js';

/** What a host remembers. */
export interface Store {
  readonly sandboxes: Table<StoredSandbox>;
  readonly snapshots: Table<StoredSnapshot>;
  readonly templates: Table<StoredTemplate>;
  /** @throws SandboxError (rejection) with code `ERR_BACKEND_UNAVAILABLE`, where it cannot be opened. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** A store that is gone with the host. */
export function memoryStore(): Store {
  return {
    sandboxes: new MemoryTable(),
    snapshots: new MemoryTable(),
    templates: new MemoryTable(),
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

type Database = ClassicLevel<string, Uint8Array>;

/** A store in a directory, which is made where there is none. Only one host at a time may have it open. */
export function levelStore(directory: string): Store {
  const database: Database = new ClassicLevel(directory, { valueEncoding: 'view' });
  return {
    sandboxes: new LevelTable(database, { prefix: 'sandbox/', codec: StoredSandbox }),
    snapshots: new LevelTable(database, { prefix: 'snapshot/', codec: StoredSnapshot }),
    templates: new LevelTable(database, { prefix: 'template/', codec: StoredTemplate }),
    open: async () => {
      try {
        await database.open();
      } catch (cause) {
        const text = `cannot open the store in ${directory}: another host has it, or it is no store`;
        throw new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { cause });
      }
    },
    close: () => database.close(),
  };
}

class LevelTable<T> implements Table<T> {
  readonly #database: Database;
  readonly #prefix: string;
  readonly #codec: Codec<T>;

  constructor(
    database: Database,
    { prefix, codec }: { readonly prefix: string; readonly codec: Codec<T> },
  ) {
    this.#database = database;
    this.#prefix = prefix;
    this.#codec = codec;
  }

  put(id: string, value: T): Promise<void> {
    const bytes = this.#codec.encode(value).finish();
    return this.#database.put(`${this.#prefix}${id}`, bytes, { sync: true });
  }

  delete(id: string): Promise<void> {
    return this.#database.del(`${this.#prefix}${id}`, { sync: true });
  }

  async all(): Promise<readonly T[]> {
    // No id holds U+FFFF.
    const range = { gte: this.#prefix, lt: `${this.#prefix}\uffff` };
    const values = await this.#database.values(range).all();
    return values.map((bytes) => this.#codec.decode(bytes));
  }
}
