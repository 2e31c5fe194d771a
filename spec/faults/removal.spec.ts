import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { eventually, failureOf } from '../contract/kit.js';
import { memory } from '../host/harness.js';
import { FaultyHost, type FaultyClient } from './faulty-host.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A host in front of another, which cannot always be reached. */
class Chain {
  readonly inner: FaultyHost;
  readonly outer: FaultyHost;
  readonly #faulty: FaultyClient;

  private constructor(inner: FaultyHost, outer: FaultyHost, faulty: FaultyClient) {
    this.inner = inner;
    this.outer = outer;
    this.#faulty = faulty;
  }

  static async of(options: HostOptions = {}): Promise<Chain> {
    const inner = await FaultyHost.of(memory());
    ends.push(() => inner.close());
    const faulty = await inner.faulty({ retryBudgetMs: 0 });
    ends.push(() => {
      faulty.close();
    });
    const outer = await FaultyHost.of(faulty.backend, options);
    ends.push(() => outer.close());
    return new Chain(inner, outer, faulty);
  }

  get backend(): FaultyClient['backend'] {
    return this.#faulty.backend;
  }

  part(): void {
    this.#faulty.way.refuses = true;
    this.#faulty.way.cut('reset');
  }

  join(): void {
    this.#faulty.way.refuses = false;
  }

  /** Settles when nothing is left on the inner host. */
  async isEmpty(): Promise<void> {
    await eventually('nothing is left', async () => (await this.inner.client.list()).length === 0);
  }
}

async function isDeleted(sandbox: Sandbox): Promise<boolean> {
  return sandbox.delete().then(
    () => true,
    () => false,
  );
}

describe('a sandbox whose host cannot reach its backend', () => {
  it('is not deleted, which who asks for it is told, and can be deleted later', async () => {
    const chain = await Chain.of();
    const sandbox = await chain.outer.client.create({ id: 'asked' });
    chain.part();
    for (let time = 0; time < 2; time++)
      expect(await failureOf(sandbox.delete())).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect((await chain.outer.client.list()).map(({ id }) => id)).toEqual(['asked']);
    expect((await chain.inner.client.list()).length).toBe(1);
    chain.join();
    await eventually('it is deleted', () => isDeleted(sandbox));
    expect(await chain.outer.client.list()).toEqual([]);
    expect(await chain.inner.client.list()).toEqual([]);
  });

  it('is removed when the backend is there again, though nobody asks any more', async () => {
    const warnings: object[] = [];
    const logger = {
      info: () => undefined,
      error: () => undefined,
      warn: (fields: object, message: string) => warnings.push({ ...fields, message }),
    };
    const chain = await Chain.of({ logger });
    const sandbox = await chain.outer.client.create({ id: 'stopped', command: ['sleep'] });
    chain.part();
    // Its main command is lost, and so it ends by itself.
    await eventually('it is told', () => warnings.length > 0);
    expect(warnings[0]).toEqual({
      ...{ sandboxId: 'stopped', code: 'UNAVAILABLE' },
      message: 'sandbox not removed: it is tried again',
    });
    expect((await chain.inner.client.list()).length).toBe(1);
    chain.join();
    await chain.isEmpty();
    await eventually('it is over', async () => (await sandbox.status()).status === 'failed');
  });

  it('is removed by the next host with the same data, where this one is closed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-removal-'));
    ends.push(() => {
      rmSync(directory, { recursive: true });
    });
    const options = { dataDirectory: directory, retentionMs: 0 };
    const chain = await Chain.of(options);
    await chain.outer.client.create();
    chain.part();
    await chain.outer.close();
    const next = new Host(chain.backend, options);
    ends.push(() => next.close());
    await next.listen();
    expect((await chain.inner.client.list()).length).toBe(1);
    chain.join();
    await chain.isEmpty();
  });
});
