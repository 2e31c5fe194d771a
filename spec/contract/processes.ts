import { filter, firstValueFrom, lastValueFrom, toArray, type Observable } from 'rxjs';
import type { ProcessInfo, Sandbox } from '../../lib/index.js';
import { eventually, failureOf, type ContractSuite, type Kit } from './kit.js';

/** The processes of a sandbox, as they are listed and watched. */
export function processesContract({ describe, it, needs, expect }: ContractSuite): void {
  describe('the processes of a sandbox', () => {
    needs('processes', 'are listed while they go on, oldest first, whoever started them', {
      works: async (kit) => {
        const sandbox = await kit.open();
        expect(await sandbox.processes()).toEqual([]);
        const first = sandbox.exec(kit.commands.sleep);
        await listed(sandbox, first.id);
        const second = (await kit.client.get(sandbox.id)).exec(kit.commands.reportTerm);
        const [one, two] = await listed(sandbox, second.id);
        expect(one).toMatchObject({ id: first.id, state: 'running', tty: false });
        expect(one?.command).toEqual(kit.commands.sleep);
        expect(two).toMatchObject({ id: second.id, sandboxId: sandbox.id, state: 'running' });
        expect(two !== undefined && two.startedAtMs > 0).toEqual(true);
        for (const process of [first, second]) {
          process.cancel();
          await process.closed;
        }
        expect(await sandbox.processes()).toEqual([]);
      },
      refused: async (kit) => (await kit.open()).processes(),
    });

    needs('processes', 'are told of when they start, and how they end', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const seen = watched(kit, kit.backend.processes.watch(sandbox.id));
        const good = sandbox.exec(kit.commands.exit3);
        await good.closed;
        const killed = sandbox.exec(kit.commands.selfKill);
        await killed.closed;
        const absent = sandbox.exec(kit.commands.absent);
        await failureOf(absent.result());
        const cancelled = sandbox.exec(kit.commands.sleep);
        await eventually('it is told of', () => seen.some(({ id }) => id === cancelled.id));
        cancelled.cancel();
        await eventually('the last is told', () => lastOf(seen, cancelled.id)?.forgotten === true);
        expect(lastOf(seen, good.id)).toMatchObject({ state: 'exited', returncode: 3 });
        expect(lastOf(seen, killed.id)).toMatchObject({ state: 'exited', signal: 'SIGKILL' });
        expect(lastOf(seen, absent.id)).toMatchObject({ state: 'failed' });
        expect(lastOf(seen, absent.id)?.reason === undefined).toEqual(false);
        expect(lastOf(seen, cancelled.id)).toMatchObject({ state: 'cancelled' });
        for (const { endedAtMs = 0, startedAtMs } of seen.filter(({ forgotten }) => forgotten))
          expect(endedAtMs >= startedAtMs).toEqual(true);
        expect(repeated(seen)).toEqual([]);
      },
      refused: async (kit) =>
        firstValueFrom(kit.backend.processes.watch((await kit.open()).id), { defaultValue: 0 }),
    });

    needs('processes', 'are the newest list for all who watch, and for who comes later', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const lists = watched(kit, sandbox.processes$);
        await eventually('the list is told', () => lists.length > 0);
        expect(lists).toEqual([[]]);
        const process = sandbox.exec(kit.commands.sleep);
        await eventually('it runs', () => lists.at(-1)?.at(0)?.state === 'running');
        const late = watched(kit, sandbox.processes$);
        expect(late).toEqual([lists.at(-1)]);
        const other = await kit.client.get(sandbox.id);
        const fresh = await firstValueFrom(other.processes$);
        expect(fresh.map(({ id }) => id)).toEqual([process.id]);
        process.cancel();
        await eventually('it is gone', () => lists.at(-1)?.length === 0);
        expect(late.at(-1)).toEqual([]);
      },
      refused: async (kit) => firstValueFrom((await kit.open()).processes$),
    });

    needs('processes', 'end with their sandbox, and the watch of them with it', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const ends = lastValueFrom(sandbox.processes$.pipe(kit.untilOver(), toArray()));
        const process = sandbox.exec(kit.commands.ignoreTerm);
        await firstValueFrom(process.stdout$);
        const seen = watched(kit, kit.backend.processes.watch(sandbox.id));
        await eventually('it is told of', () => seen.length > 0);
        await sandbox.stop();
        const lists = await ends;
        expect([lists.at(0), lists.at(-1)]).toEqual([[], []]);
        await eventually('its end is told', () => lastOf(seen, process.id)?.forgotten === true);
        expect(lastOf(seen, process.id)).toMatchObject({ state: 'exited', signal: 'SIGKILL' });
        expect(await sandbox.processes()).toEqual([]);
        expect(await lastValueFrom(sandbox.processes$)).toEqual([]);
      },
      refused: async (kit) => (await kit.open()).processes(),
    });

    needs('processes', 'are those of a sandbox that there is', {
      works: async (kit) => {
        const sandbox = await kit.open();
        await sandbox.delete();
        const { processes } = kit.backend;
        for (const processes$ of [processes.list(sandbox.id), processes.watch(sandbox.id)])
          expect(await failureOf(lastValueFrom(processes$, { defaultValue: 0 }))).toMatchObject({
            code: 'ERR_NOT_FOUND',
            sandboxId: sandbox.id,
          });
      },
      refused: async (kit) => (await kit.open()).processes(),
    });

    needs('processes', 'are its main command too', {
      works: async (kit) => {
        const sandbox = await kit.open({ command: kit.commands.reportTerm });
        await eventually(
          'it runs',
          async () => (await sandbox.processes())[0]?.state === 'running',
        );
        const [main, ...others] = await sandbox.processes();
        expect(main).toMatchObject({ main: true, sandboxId: sandbox.id });
        expect(main?.command).toEqual(kit.commands.reportTerm);
        expect(others).toEqual([]);
        const other = sandbox.exec(kit.commands.sleep);
        expect('main' in ((await listed(sandbox, other.id)).at(-1) ?? {})).toEqual(false);
      },
      refused: async (kit) => (await kit.open()).processes(),
    });

    it('whose ids were chosen stay in the list, and can be attached to', async (kit) => {
      if (!kit.can('processes') || !kit.can('attach')) return;
      const sandbox = await kit.open();
      await sandbox.exec(kit.commands.exit3, { id: 'chosen' }).closed;
      await eventually('its end is told', async () => {
        const [info] = await sandbox.processes();
        return info?.state === 'exited';
      });
      const [info] = await sandbox.processes();
      expect(info).toMatchObject({ id: 'chosen', returncode: 3 });
      expect(info?.forgotten).toEqual(undefined);
      expect(await sandbox.attach(info?.id ?? '').wait()).toEqual(3);
    });

    needs('processes', 'can be ended by who hears of them', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const started$ = kit.backend.processes.watch(sandbox.id).pipe(
          filter(({ state }) => state === 'running'),
          kit.untilOver(),
        );
        const stopping = firstValueFrom(started$).then(() => sandbox.stop());
        const process = sandbox.exec(kit.commands.ignoreTerm);
        expect(await stopping).toMatchObject({ status: 'stopped' });
        // Where it is still being started, its command may never run.
        await Promise.allSettled([process.result()]);
        await process.closed;
        expect(await sandbox.processes()).toEqual([]);
      },
      refused: async (kit) => (await kit.open()).processes(),
    });
  });

  describe('the list of sandboxes', () => {
    it('is told where there are none, and to who comes later', async (kit) => {
      const lists = watched(kit, kit.client.sandboxes$);
      await eventually('it is told', () => lists.length > 0);
      expect(lists).toEqual([[]]);
      await kit.open({ id: 'one' });
      await eventually('it is in the list', () => lists.at(-1)?.length === 1);
      expect(watched(kit, kit.client.sandboxes$)).toEqual([lists.at(-1)]);
    });
  });
}

/** What is emitted, until the test is over. */
function watched<T>(kit: Kit, source: Observable<T>): T[] {
  const seen: T[] = [];
  source.pipe(kit.untilOver()).subscribe((value) => seen.push(value));
  return seen;
}

function lastOf(seen: readonly ProcessInfo[], id: string): ProcessInfo | undefined {
  return seen.filter((info) => info.id === id).at(-1);
}

/** What was told twice. */
function repeated(seen: readonly ProcessInfo[]): readonly string[] {
  const told = seen.map(({ id, state, forgotten }) => `${id} ${state} ${String(forgotten)}`);
  return told.filter((line, index) => told.indexOf(line) !== index);
}

/** The list, when this one runs in it. */
async function listed(sandbox: Sandbox, id: string): Promise<readonly ProcessInfo[]> {
  let list: readonly ProcessInfo[] = [];
  await eventually('it is in the list', async () => {
    list = await sandbox.processes();
    return list.some((info) => info.id === id && info.state === 'running');
  });
  return list;
}
