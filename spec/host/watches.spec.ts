import { afterEach, describe, expect, it } from '@jest/globals';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { Sandbox } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import type {
  ListProcessesResponse,
  WatchCursor,
  WatchProcessesResponse,
  WatchSandboxesResponse,
} from '../../lib/wire/generated/sandboxrx/v1/watches.js';
import { elapsed, eventually, failureOf } from '../contract/kit.js';
import { metricsUntil } from '../support/metrics.js';
import { Remote, type BareClient } from '../support/remote.js';
import { memory } from './harness.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

async function hosted(options: HostOptions = {}) {
  const host = remote.add(new Host(memory(), options), (one) => one.close());
  const url = await host.listen();
  return { host, url, client: remote.client(url, { retryBudgetMs: 0 }), bare: remote.bare(url) };
}

/** What is told on a stream, and how it ends. */
interface Reading<Message> {
  readonly messages: readonly Message[];
  readonly stream: ClientReadableStream<unknown>;
  code?: number;
}

function told<Message>(stream: ClientReadableStream<unknown>): Reading<Message> {
  const messages: Message[] = [];
  const reading: Reading<Message> = { messages, stream };
  stream.on('data', (message: Message) => messages.push(message));
  stream.on('error', () => undefined);
  stream.on('status', ({ code }: { code: number }) => (reading.code = code));
  remote.add(stream, (one) => {
    one.cancel();
  });
  return reading;
}

function watchSandboxes(bare: BareClient, after?: WatchCursor) {
  return told<WatchSandboxesResponse>(bare.read('watchSandboxes', { after }));
}

function watchProcesses(bare: BareClient, { id }: { readonly id: string }, after?: WatchCursor) {
  return told<WatchProcessesResponse>(bare.read('watchProcesses', { sandboxId: id, after }));
}

/** What is told up to the first cursor. */
async function first<Message extends { cursor: WatchCursor | undefined }>(reading: {
  readonly messages: readonly Message[];
}): Promise<Message> {
  await eventually('a cursor is told', () => reading.messages.at(0)?.cursor !== undefined);
  const [message] = reading.messages;
  if (message === undefined) throw new Error('nothing was told');
  return message;
}

const idsOf = ({ sandboxes }: WatchSandboxesResponse) => sandboxes.map((one) => one.sandboxId);

describe('a watch of sandboxes', () => {
  it('tells what there is and, to who comes back, what has changed since', async () => {
    const { client, bare } = await hosted();
    await client.create({ id: 'a' });
    const b = await client.create({ id: 'b' });
    const all = await first(watchSandboxes(bare));
    expect([all.reset, idsOf(all)]).toEqual([true, ['a', 'b']]);
    const nothing = await first(watchSandboxes(bare, all.cursor));
    expect([nothing.reset, idsOf(nothing), nothing.cursor]).toEqual([false, [], all.cursor]);
    await b.delete();
    await client.create({ id: 'c' });
    const since = await first(watchSandboxes(bare, all.cursor));
    expect([since.reset, idsOf(since), since.deletedIds]).toEqual([false, ['c'], ['b']]);
  });

  it.each<readonly [string, (cursor: WatchCursor) => WatchCursor]>([
    ['another host', ({ revision }) => ({ epoch: 'another', revision })],
    ['no host', ({ epoch, revision }) => ({ epoch, revision: revision + 1n })],
  ])('tells all there is to who has a cursor of %s', async (_, wrong) => {
    const { client, bare } = await hosted();
    await client.create({ id: 'a' });
    const { cursor } = await first(watchSandboxes(bare));
    const again = await first(watchSandboxes(bare, cursor && wrong(cursor)));
    expect([again.reset, idsOf(again), again.cursor]).toEqual([true, ['a'], cursor]);
  });

  it('tells which are gone, also when they were kept for a while', async () => {
    const { client } = await hosted({ retentionMs: 100 });
    const sandbox = await client.create({ id: 'a' });
    const lists: string[][] = [];
    const watching = client.sandboxes$.subscribe((list) => {
      lists.push(list.map(({ status }) => status));
    });
    await eventually('it is listed', () => lists.at(-1)?.length === 1);
    await sandbox.stop();
    await eventually('it is gone', () => lists.at(-1)?.length === 0);
    expect(lists.at(-2)).toEqual(['stopped']);
    watching.unsubscribe();
  });

  it('keeps a sandbox that has the id of one before it', async () => {
    const retentionMs = 300;
    const { client } = await hosted({ retentionMs });
    await (await client.create({ id: 'a' })).delete();
    await client.create({ id: 'a' });
    await elapsed(2 * retentionMs);
    expect((await client.list()).map(({ id, status }) => [id, status])).toEqual([['a', 'running']]);
  });

  it('goes elsewhere when its host is drained, which waits for none', async () => {
    const { host, client } = await hosted();
    const failing = failureOf(lastValueFrom(client.sandboxes$));
    await firstValueFrom(client.sandboxes$);
    await host.drain({ graceMs: 100_000 });
    expect(await failing).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      retryable: true,
    });
  });

  it('is over when nobody watches any more', async () => {
    const { host, client } = await hosted({ metricsPort: 0 });
    const sandbox = await client.create();
    await firstValueFrom(client.sandboxes$);
    await firstValueFrom(sandbox.processes$);
    await metricsUntil(host.metricsUrl ?? '', { sandboxrx_streams_open: 0 });
  });
});

describe('the processes of a sandbox', () => {
  const large = 'x'.repeat(10_000);

  async function begin(sandbox: Sandbox, count: number): Promise<void> {
    for (let n = 0; n < count; n++) sandbox.exec(['sleep', large], { id: `run-${n}` });
    await eventually('all run', async () => {
      const list = await sandbox.processes();
      return list.filter(({ state }) => state === 'running').length === count;
    });
  }

  it('are told in messages of a size that all can take', async () => {
    const { client, bare } = await hosted();
    const sandbox = await client.create();
    await begin(sandbox, 30);
    const listing = told<ListProcessesResponse>(
      bare.read('listProcesses', { sandboxId: sandbox.id }),
    );
    await eventually('it is listed', () => listing.code === 0);
    const watching = watchProcesses(bare, sandbox);
    await eventually('it is told', () => watching.messages.at(-1)?.cursor !== undefined);
    for (const messages of [listing.messages, watching.messages]) {
      const counts = messages.map(({ processes }) => processes.length);
      expect(counts.length).toBeGreaterThan(3);
      expect(Math.max(...counts)).toBeLessThan(7);
      const ids = messages.flatMap(({ processes }) => processes.map(({ runId }) => runId));
      expect([ids.length, new Set(ids).size]).toEqual([30, 30]);
    }
    expect(watching.messages.map(({ reset }) => reset).indexOf(true, 1)).toBe(-1);
  });

  it('are told as they are now to who was behind', async () => {
    const { client, bare } = await hosted();
    const sandbox = await client.create();
    const behind = watchProcesses(bare, sandbox);
    const { cursor } = await first(behind);
    behind.stream.pause();
    const rounds = 500;
    for (let round = 0; round < rounds; round++) await sandbox.exec(['exit3', large]).wait();
    const last = sandbox.exec(['sleep']);
    behind.stream.resume();
    const processes = () => behind.messages.flatMap((message) => message.processes);
    await eventually('it has caught up', () =>
      processes().some(({ runId, state }) => runId === last.id && state === 'running'),
    );
    expect(processes().length).toBeLessThan(rounds);
    const goOn: Set<string> = new Set();
    for (const message of behind.messages) {
      if (message.reset) goOn.clear();
      for (const { runId, forgotten } of message.processes)
        if (forgotten) goOn.delete(runId);
        else goOn.add(runId);
    }
    expect([...goOn]).toEqual([last.id]);
    const late = watchProcesses(bare, sandbox, cursor);
    await eventually('it is told', () => late.messages.length > 0);
    expect(late.messages[0]?.reset).toBe(true);
    expect((await first(watchProcesses(bare, sandbox))).processes.length).toBe(1);
  });

  it('are none where the sandbox is over, and an error where there is none', async () => {
    const { client, bare } = await hosted();
    const sandbox = await client.create();
    const { cursor } = await first(watchProcesses(bare, sandbox));
    await sandbox.stop();
    const over = watchProcesses(bare, sandbox, cursor);
    await eventually('it ends', () => over.code !== undefined);
    expect([over.code, over.messages.map(({ processes }) => processes)]).toEqual([0, [[]]]);
    for (const id of ['absent', '']) {
      const absent = watchProcesses(bare, { id });
      await eventually('it ends', () => absent.code !== undefined);
      expect(absent.code).toBe(5);
    }
  });

  it('are kept up to date for who comes back', async () => {
    const { client, bare } = await hosted();
    const sandbox = await client.create();
    const reading = watchProcesses(bare, sandbox);
    const { cursor } = await first(reading);
    reading.stream.cancel();
    await eventually('it is over', () => reading.code !== undefined);
    await sandbox.exec(['exit3'], { id: 'run' });
    const { reset, processes } = await first(watchProcesses(bare, sandbox, cursor));
    expect(reset).toBe(false);
    expect(processes).toMatchObject([{ runId: 'run', state: 'exited', exitCode: 3 }]);
  });
});
