import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxBackend } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { grpcBackend, localBackend, type ConnectedBackend } from 'sandbox-rx/node';
import {
  backendContract,
  memoryBackend,
  shellPrograms,
  type ContractSubject,
} from 'sandbox-rx/testing';
import { describeWithBubblewrap } from '../backends/local/bubblewrap.js';
import { memoryCommands, memoryPrograms } from '../backends/memory/memory-programs.js';

const snapshotDirectory = mkdtempSync(join(tmpdir(), 'snapshots-'));

afterAll(() => {
  rmSync(snapshotDirectory, { recursive: true });
});

/** The contract of a chain of so many hosts, the last of which serves `backend`. */
function overHosts(
  name: string,
  {
    hops = 1,
    backend,
    ...subject
  }: Omit<ContractSubject, 'name' | 'create'> & { hops?: number; backend(): SandboxBackend },
): void {
  describe(name, () => {
    let hosts: Host[] = [];
    let clients: ConnectedBackend[] = [];
    let top: SandboxBackend;

    beforeEach(async () => {
      top = backend();
      for (let hop = 0; hop < hops; hop++) {
        const host = new Host(top);
        const client = grpcBackend({ url: await host.listen(), watchIntervalMs: 50 });
        hosts.push(host);
        clients.push(client);
        top = client;
      }
    });

    backendContract({ describe, it, expect, afterEach }, { ...subject, name, create: () => top });

    afterEach(async () => {
      for (const client of clients) client.close();
      for (const host of hosts.reverse()) await host.close();
      [hosts, clients] = [[], []];
    });
  });
}

overHosts('rpc(grpc, host(memory))', {
  commands: memoryCommands,
  killsAtOnce: true,
  lacks: ['services'],
  backend: () => memoryBackend({ programs: memoryPrograms }),
});
overHosts("rpc(grpc, host(local, isolation: 'none'))", {
  commands: shellPrograms,
  lacks: ['isolation'],
  backend: () => localBackend({ isolation: 'none', snapshotDirectory }),
});
overHosts("rpc(grpc, host(rpc(grpc, host(local, isolation: 'none'))))", {
  commands: shellPrograms,
  lacks: ['isolation'],
  hops: 2,
  backend: () => localBackend({ isolation: 'none', snapshotDirectory }),
});
describeWithBubblewrap('with bubblewrap', () => {
  overHosts('rpc(grpc, host(local))', {
    commands: shellPrograms,
    backend: () => localBackend({ snapshotDirectory }),
  });
});
