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

/** The ways to a host: each has to keep the same promises. */
type Way = 'grpc' | 'ws';

interface Reached {
  readonly url: string;
  readonly watchIntervalMs: number;
}

const ways: Readonly<Record<Way, (options: Reached) => ConnectedBackend>> = {
  grpc: grpcBackend,
  ws: websocketBackend,
};

/** What a chain of hosts is made of. */
interface Chain extends Omit<ContractSubject, 'name' | 'create'> {
  readonly way: Way;
  readonly hops?: number;
  /** What the last of them serves. */
  readonly backend: () => SandboxBackend;
}

/** The contract of a chain of hosts. */
function overHosts(name: string, { way, hops = 1, backend, ...subject }: Chain): void {
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

/** The contract of a host of any backend that runs here, reached that way. */
export function contractOver(way: Way): void {
  const snapshotDirectory = mkdtempSync(join(tmpdir(), 'snapshots-'));

  afterAll(() => {
    rmSync(snapshotDirectory, { recursive: true });
  });

  overHosts(`rpc(${way}, host(memory))`, {
    way,
    commands: memoryCommands,
    killsAtOnce: true,
    lacks: ['services'],
    backend: () => memoryBackend({ programs: memoryPrograms }),
  });
  const unisolated = {
    way,
    commands: shellPrograms,
    lacks: ['isolation'],
    backend: () => localBackend({ isolation: 'none', snapshotDirectory }),
  } as const;
  overHosts(`rpc(${way}, host(local, isolation: 'none'))`, unisolated);
  overHosts(`rpc(${way}, host(rpc(${way}, host(local, isolation: 'none'))))`, {
    ...unisolated,
    hops: 2,
  });
  describeWithBubblewrap('with bubblewrap', () => {
    overHosts(`rpc(${way}, host(local))`, {
      way,
      commands: shellPrograms,
      backend: () => localBackend({ snapshotDirectory }),
    });
  });
}
