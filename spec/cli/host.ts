import { afterAll, beforeAll } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandboxClient } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { grpcBackend, localBackend, type ConnectedBackend } from 'sandbox-rx/node';
import { isolationForTests } from '../support/isolation.js';
import { ended, openTerminal, start, type Ended, type Terminal } from './program.js';

/** A host for the tests of a file, and `sandbox-rx` with its URL. */
export interface HostForTests {
  readonly url: string;
  readonly client: SandboxClient;
  start(...args: readonly string[]): ChildProcess;
  /** Runs `sandbox-rx` to its end, without input. */
  run(...args: readonly string[]): Promise<Ended>;
  terminal(...args: readonly string[]): Terminal;
}

/** Starts a host before the tests of this file, and ends it after them. */
export function useHost(): HostForTests {
  let url = '';
  let backend: ConnectedBackend | undefined;
  const snapshotDirectory = mkdtempSync(join(tmpdir(), 'snapshots-'));
  const host = new Host(localBackend({ isolation: isolationForTests(), snapshotDirectory }));
  beforeAll(async () => {
    url = await host.listen();
    backend = grpcBackend({ url });
  });
  afterAll(async () => {
    backend?.close();
    await host.close();
    rmSync(snapshotDirectory, { recursive: true });
  });
  const begin = (...args: readonly string[]): ChildProcess => start('--url', url, ...args);
  return {
    get url() {
      return url;
    },
    get client() {
      if (backend === undefined) throw new Error('the host listens from beforeAll on');
      return new SandboxClient(backend);
    },
    start: begin,
    run: async (...args) => {
      const child = begin(...args);
      child.stdin?.end();
      return ended(child);
    },
    terminal: (...args) => openTerminal('--url', url, ...args),
  };
}
