import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Observable } from 'rxjs';
import {
  Sandbox,
  SandboxClient,
  type Process,
  type ProcessInfo,
  type SandboxBackend,
  type SandboxInfo,
} from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { grpcBackend, localBackend } from 'sandbox-rx/node';
import { elapsed, eventually, failureOf } from '../contract/kit.js';
import { memory } from '../host/harness.js';
import { FaultyWay } from '../support/faulty-way.js';
import { FaultyHost, type FaultyClient } from './faulty-host.js';

/** What goes wrong, or nothing for a while. */
const trouble = fc.oneof(
  fc.record({ do: fc.constant('cut' as const), kind: fc.constantFrom('reset', 'end') }),
  fc.record({ do: fc.constant('pause' as const), ms: fc.nat(300) }),
);
type Trouble = typeof trouble extends fc.Arbitrary<infer T> ? T : never;

async function suffered(one: Trouble, { way }: Pick<FaultyClient, 'way'>): Promise<void> {
  if (one.do === 'cut') way.cut(one.kind);
  else await elapsed(one.ms);
}

/** What is told to one who watches, in words. */
interface Seen {
  readonly lines: string[];
  isListed?: true;
  error?: unknown;
  isComplete?: true;
}

function watched<Info>(
  watch: (listed: () => void) => Observable<Info>,
  lineOf: (info: Info) => string,
): Seen {
  const seen: Seen = { lines: [] };
  watch(() => (seen.isListed = true)).subscribe({
    next: (info) => seen.lines.push(lineOf(info)),
    error: (error: unknown) => (seen.error = error),
    complete: () => (seen.isComplete = true),
  });
  return seen;
}

function watchedSandboxes(backend: SandboxBackend): Seen {
  return watched((listed) => backend.watch({}, listed), sandboxLine);
}

function watchedProcesses(backend: SandboxBackend, sandboxId: string): Seen {
  return watched((listed) => backend.processes.watch(sandboxId, listed), processLine);
}

function sandboxLine({ id, status, createdAtMs }: SandboxInfo): string {
  return `${id} of ${createdAtMs} ${status}`;
}

function processLine({ id, state, forgotten }: ProcessInfo): string {
  return `${id} ${state}${forgotten ? ' gone' : ''}`;
}

function repeated(lines: readonly string[]): readonly string[] {
  return lines.filter((line, index) => lines.indexOf(line) !== index);
}

/** A live list, as it is now. */
function live<Info>(list$: Observable<readonly Info[]>, lineOf: (info: Info) => string) {
  const now = { lines: ['not told'] };
  list$.subscribe({
    next: (list) => (now.lines = list.map(lineOf)),
    error: (error: unknown) => (now.lines = [String(error)]),
  });
  return now;
}

describe('lists over a connection that breaks', () => {
  let host: FaultyHost;
  let sandbox: Sandbox;

  beforeAll(async () => {
    host = await FaultyHost.of(memory());
    sandbox = await host.client.create({ id: 'all-along' });
  });

  afterAll(async () => {
    await host.close();
  });

  async function played(play: (one: FaultyClient) => Promise<void>): Promise<void> {
    const faulty = await host.faulty({ retryBudgetMs: 30_000 });
    try {
      await play(faulty);
    } finally {
      faulty.close();
    }
    await host.idle();
  }

  it('come to be as the truth is, and tell each change of a sandbox once, whatever happens', async () => {
    const what = fc.constantFrom('create', 'stop', 'delete');
    const by = fc.constantFrom('near', 'far');
    const step = fc.oneof(trouble, fc.record({ do: what, by, which: fc.nat(3) }));
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

    const act = async (one: Step, { way, client, backend }: FaultyClient): Promise<void> => {
      if (!('by' in one)) return suffered(one, { way });
      const id = `sb-${one.which}`;
      const [maker, other] = one.by === 'near' ? [host.client, near] : [client, backend];
      if (one.do === 'create') await maker.create({ id });
      else await new Sandbox(other, id)[one.do]();
    };
    const near = grpcBackend({ url: host.url });
    const converges = async (steps: readonly Step[]) =>
      played(async (faulty) => {
        const seen = watchedSandboxes(faulty.backend);
        const now = live(faulty.client.sandboxes$, sandboxLine);
        await eventually('it is told', () => seen.isListed === true);
        // What is asked for over the way that breaks may fail.
        for (const one of steps) await Promise.allSettled([act(one, faulty)]);
        let list: readonly SandboxInfo[] = [];
        await eventually('it is the truth', async () => {
          list = await host.client.list();
          // Those of one millisecond may stand in any order.
          return [...now.lines].sort().join() === list.map(sandboxLine).sort().join();
        });
        expect(seen.error).toBe(undefined);
        expect(repeated(seen.lines)).toEqual([]);
        for (const { id } of list) if (id !== sandbox.id) await new Sandbox(near, id).delete();
      });
    try {
      const steps = fc.array(step, { minLength: 5, maxLength: 20 });
      await fc.assert(fc.asyncProperty(steps, converges), { numRuns: 12 });
    } finally {
      near.close();
    }
  });

  it('come to be as the truth is, and tell each change of a process once, whatever happens', async () => {
    const what = fc.constantFrom('sleep', 'exit3', 'kept', 'cancel');
    const step = fc.oneof(trouble, fc.record({ do: what, which: fc.nat() }));
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

    const act = async (one: Step, runs: Process[], faulty: FaultyClient): Promise<void> => {
      if (!('which' in one)) await suffered(one, faulty);
      else if (one.do === 'cancel') runs[one.which % runs.length]?.cancel();
      else if (one.do === 'kept') await sandbox.exec(['exit3'], { id: crypto.randomUUID() });
      else runs.push(sandbox.exec([one.do]));
    };
    const converges = async (steps: readonly Step[]) =>
      played(async (faulty) => {
        const seen = watchedProcesses(faulty.backend, sandbox.id);
        const now = live(new Sandbox(faulty.backend, sandbox.id).processes$, processLine);
        await eventually('it is told', () => seen.isListed === true);
        const runs = [sandbox.exec(['sleep'])];
        for (const one of steps) await act(one, runs, faulty);
        const isTrue = async (): Promise<boolean> =>
          now.lines.join() === (await sandbox.processes()).map(processLine).join();
        await eventually('it is the truth', isTrue);
        for (const run of runs) run.cancel();
        await Promise.all(runs.map(({ closed }) => closed));
        await eventually('it is the truth again', isTrue);
        expect(now.lines.filter((line) => !line.endsWith('exited'))).toEqual([]);
        expect(seen.error).toBe(undefined);
        expect(repeated(seen.lines)).toEqual([]);
        // The host was there all along, and told how each ended.
        expect(seen.lines.filter((line) => line.includes('failed'))).toEqual([]);
      });
    const steps = fc.array(step, { minLength: 5, maxLength: 20 });
    await fc.assert(fc.asyncProperty(steps, converges), { numRuns: 12 });
  });

  it('go on over another connection when keepalive finds that the first is dead', async () => {
    const { way, backend, close } = await host.faulty({
      ...{ keepaliveMs: 1000, keepaliveTimeoutMs: 1000, retryBudgetMs: 20_000 },
    });
    const sandboxes = watchedSandboxes(backend);
    const processes = watchedProcesses(backend, sandbox.id);
    const run = sandbox.exec(['sleep']);
    await eventually('it is told', () => processes.lines.includes(`${run.id} running`));
    way.fallSilent();
    way.forgetAll();
    const other = await host.client.create({ id: 'meanwhile' });
    run.cancel();
    await eventually('it is told', () => processes.lines.includes(`${run.id} cancelled gone`));
    await eventually('it is told', () => sandboxes.lines.some((line) => line.includes(other.id)));
    await other.delete();
    close();
  });

  it('fail when nobody is there for longer than the budget', async () => {
    const { way, backend, close } = await host.faulty({ retryBudgetMs: 300 });
    const sandboxes = watchedSandboxes(backend);
    const processes = watchedProcesses(backend, sandbox.id);
    const run = sandbox.exec(['sleep']);
    await eventually('it is told', () => processes.lines.includes(`${run.id} running`));
    await eventually('they are told', () => sandboxes.isListed === true);
    way.refuses = true;
    way.cut('reset');
    for (const seen of [sandboxes, processes]) {
      await eventually('it fails', () => seen.error !== undefined);
      expect(seen.error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    }
    expect(processes.lines.at(-1)).toBe(`${run.id} running`);
    run.cancel();
    close();
  });
});

describe('lists of a host that is restarted', () => {
  it('are those of the new one: what died is gone, and what is made is told', async () => {
    const first = new Host(localBackend({ isolation: 'none' }));
    const url = await first.listen();
    const way = await FaultyWay.to(url);
    const backend = grpcBackend({ url: way.url, retryBudgetMs: 30_000 });
    const client = new SandboxClient(backend);
    const sandbox = await client.create({ id: 'old' });
    const run = sandbox.exec(['sleep', '60']);
    const lost = failureOf(run);
    const processes = watchedProcesses(backend, 'old');
    const lists: string[][] = [];
    client.sandboxes$.subscribe({
      next: (list) => lists.push(list.map(({ id }) => id)),
      error: (error: unknown) => lists.push([String(error)]),
    });
    await eventually('it runs', () => processes.lines.includes(`${run.id} running`));
    await eventually('it is listed', () => lists.length > 0);
    // As when it is killed: nothing is said.
    way.refuses = true;
    way.cut('reset');
    await first.close();
    const second = new Host(localBackend({ isolation: 'none' }), {
      port: Number(new URL(url).port),
    });
    await second.listen();
    way.refuses = false;
    await eventually('it is gone', () => lists.at(-1)?.length === 0);
    await eventually('its processes are over', () => processes.isComplete === true);
    expect(processes.lines.at(-1)).toBe(`${run.id} failed gone`);
    await client.create({ id: 'new' });
    await eventually('it is told', () => lists.at(-1)?.at(0) === 'new');
    expect(lists).toEqual([['old'], [], ['new']]);
    expect(await lost).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    backend.close();
    await second.close();
    way.close();
  });
});

describe('a host that could not reach its backend for longer than it tries', () => {
  it('hears of what has ended there', async () => {
    const inner = await FaultyHost.of(memory());
    const { way, backend, close } = await inner.faulty({ retryBudgetMs: 0 });
    const outer = await FaultyHost.of(backend);
    const stopped = await outer.client.create();
    const [first] = await inner.client.list();
    const deleted = await outer.client.create();
    const kept = await outer.client.create();
    const [, second] = await inner.client.list();
    way.refuses = true;
    way.cut('reset');
    await (await inner.client.get(second?.id ?? '')).delete();
    await elapsed(200);
    way.refuses = false;
    await (await inner.client.get(first?.id ?? '')).stop();
    for (const sandbox of [stopped, deleted])
      await eventually('the host knows', async () => (await sandbox.status()).status === 'stopped');
    expect(await deleted.status()).toMatchObject({ reason: 'its backend has it no more' });
    expect(await kept.status()).toMatchObject({ status: 'running' });
    await outer.close();
    close();
    await inner.close();
  });
});
