import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxBackend } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import {
  grpcBackend,
  localBackend,
  websocketBackend,
  type ConnectedBackend,
} from 'sandbox-rx/node';
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

/** The ways to a host: each has to keep the same promises. */
const ways = { grpc: grpcBackend, ws: websocketBackend } as const;

/** The contract of a chain of so many hosts, the last of which serves `backend`. */
function overHosts(
  name: string,
  {
    way = 'grpc',
    hops = 1,
    backend,
    ...subject
  }: Omit<ContractSubject, 'name' | 'create'> & {
    way?: keyof typeof ways;
    hops?: number;
    backend(): SandboxBackend;
  },
): void {
  describe(name, () => {
    let hosts: Host[] = [];
    let clients: ConnectedBackend[] = [];
    let top: SandboxBackend;

    beforeEach(async () => {
      top = backend();
      for (let hop = 0; hop < hops; hop++) {
        const host = new Host(top);
        const client = ways[way]({ url: await host.listen(), watchIntervalMs: 50 });
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

for (const way of ['grpc', 'ws'] as const) {
  overHosts(`rpc(${way}, host(memory))`, {
    way,
    commands: memoryCommands,
    killsAtOnce: true,
    backend: () => memoryBackend({ programs: memoryPrograms }),
  });
  overHosts(`rpc(${way}, host(local, isolation: 'none'))`, {
    way,
    commands: shellPrograms,
    lacks: ['isolation'],
    backend: () => localBackend({ isolation: 'none', snapshotDirectory }),
  });
  describeWithBubblewrap(`with bubblewrap, by ${way}`, () => {
    overHosts(`rpc(${way}, host(local))`, {
      way,
      commands: shellPrograms,
      backend: () => localBackend({ snapshotDirectory }),
    });
  });
}
overHosts("rpc(grpc, host(rpc(grpc, host(local, isolation: 'none'))))", {
  commands: shellPrograms,
  lacks: ['isolation'],
  hops: 2,
  backend: () => localBackend({ isolation: 'none', snapshotDirectory }),
});
