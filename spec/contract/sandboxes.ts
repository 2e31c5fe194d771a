import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import type { LogsOptions, SandboxInfo } from '../../lib/index.js';
import { eventually, failureOf, type ContractSuite } from './kit.js';

/** The life of sandboxes, and how they are found. */
export function sandboxesContract({ describe, it, needs, expect }: ContractSuite): void {
  describe('sandboxes', () => {
    it('are running once they are made, and have the id that was asked for', async (kit) => {
      const sandbox = await kit.open({ id: 'one', tags: ['red'] });
      expect(sandbox.id).toEqual('one');
      expect(await sandbox.status()).toMatchObject({ id: 'one', status: 'running', tags: ['red'] });
      expect(await failureOf(kit.client.create({ id: 'one' }))).toMatchObject({
        code: 'ERR_VALIDATION',
      });
    });

    it('are found by id, and listed by tag and status, oldest first', async (kit) => {
      await kit.open({ id: 'a', tags: ['red'] });
      await kit.open({ id: 'b', tags: ['red', 'round'] });
      await (await kit.open({ id: 'c' })).stop();
      const ids = async (filter: Parameters<typeof kit.client.list>[0]) =>
        (await kit.client.list(filter)).map(({ id }) => id);
      expect(await ids({})).toEqual(['a', 'b', 'c']);
      expect(await ids({ tags: ['red'] })).toEqual(['a', 'b']);
      expect(await ids({ tags: ['round', 'red'] })).toEqual(['b']);
      expect(await ids({ status: 'stopped' })).toEqual(['c']);
      expect((await (await kit.client.get('b')).status()).id).toEqual('b');
    });

    it('that do not exist are not found', async (kit) => {
      expect(await failureOf(kit.client.get('nobody'))).toMatchObject({ code: 'ERR_NOT_FOUND' });
      const sandbox = await kit.open();
      await sandbox.delete();
      expect(await failureOf(sandbox.status())).toMatchObject({
        code: 'ERR_NOT_FOUND',
        sandboxId: sandbox.id,
      });
      const process = sandbox.exec(kit.commands.exit3);
      expect(await failureOf(process.result())).toMatchObject({ code: 'ERR_NOT_FOUND' });
      await process.closed;
    });

    it('are waited for until they are over, not when they are gone', async (kit) => {
      const sandbox = await kit.open();
      const waiting = sandbox.wait();
      await sandbox.stop();
      expect(await waiting).toMatchObject({ status: 'stopped' });
      expect(await sandbox.wait()).toMatchObject({ status: 'stopped' });
      await sandbox.delete();
      expect(await failureOf(sandbox.wait())).toMatchObject({ code: 'ERR_NOT_FOUND' });
    });

    it('that are stopped end their runs, and start no others', async (kit) => {
      const sandbox = await kit.open();
      const process = sandbox.exec(kit.commands.ignoreTerm);
      await firstValueFrom(process.stdout$);
      expect(await sandbox.stop()).toMatchObject({ status: 'stopped' });
      expect(await process.result()).toMatchObject({ returncode: 137, signal: 'SIGKILL' });
      await process.closed;
      const late = sandbox.exec(kit.commands.exit3);
      expect(await failureOf(late.result())).toMatchObject({
        code: 'ERR_SANDBOX_OVER',
        sandboxId: sandbox.id,
      });
      expect(await sandbox.wait()).toMatchObject({ status: 'stopped' });
      expect(await sandbox.stop()).toMatchObject({ status: 'stopped' });
    });

    it('are deleted with everything in them', async (kit) => {
      const sandbox = await kit.open();
      const process = sandbox.exec(kit.commands.ignoreTerm);
      await eventually('it runs', () => process.state === 'running');
      await sandbox.delete();
      await process.closed;
      expect(await kit.client.list()).toEqual([]);
    });

    it('are told of as they come, change and go', async (kit) => {
      const seen: string[] = [];
      const lists: number[] = [];
      await kit.open({ id: 'before' });
      const tell = ({ id, status }: SandboxInfo): void => void seen.push(`${id} ${status}`);
      kit.backend.watch({}).pipe(kit.untilOver()).subscribe(tell);
      kit.client.sandboxes$.pipe(kit.untilOver()).subscribe((all) => lists.push(all.length));
      const sandbox = await kit.open({ id: 'after' });
      await sandbox.stop();
      // The second may find it gone already, or wait for the same end.
      await Promise.allSettled([sandbox.delete(), sandbox.delete()]);
      await eventually('the deletion is told', () => seen.includes('after deleted'));
      expect(seen).toEqual(['before running', 'after running', 'after stopped', 'after deleted']);
      expect(lists.at(0)).toEqual(1);
      expect(lists.at(-1)).toEqual(1);
    });

    it('are told of to who watches for a status when they come to it and when they leave it', async (kit) => {
      const watch = (status: SandboxInfo['status']): string[] => {
        const seen: string[] = [];
        kit.backend
          .watch({ status })
          .pipe(kit.untilOver())
          .subscribe((info) => seen.push(info.status));
        return seen;
      };
      const [running, stopped, deleted] = [watch('running'), watch('stopped'), watch('deleted')];
      const sandbox = await kit.open();
      await sandbox.stop();
      await sandbox.delete();
      await eventually('the deletion is told', () => deleted.length > 0);
      expect([running, stopped, deleted]).toEqual([
        ['running', 'stopped'],
        ['stopped', 'deleted'],
        ['deleted'],
      ]);
    });

    it('are told of in the same order to all', async (kit) => {
      const sandbox = await kit.open();
      const deleted: Promise<void>[] = [];
      const watch = (then: (info: SandboxInfo) => void): string[] => {
        const seen: string[] = [];
        const tell = (info: SandboxInfo): void => {
          seen.push(info.status);
          then(info);
        };
        kit.backend.watch({}).pipe(kit.untilOver()).subscribe(tell);
        return seen;
      };
      const deleting = watch(({ status }) => {
        if (status === 'stopped') deleted.push(sandbox.delete().result());
      });
      const other = watch(() => undefined);
      await eventually('they are listed', () => deleting.length + other.length === 2);
      await sandbox.stop();
      await Promise.all(deleted);
      await eventually('the deletion is told', () => deleting.length + other.length === 6);
      expect(deleting).toEqual(['running', 'stopped', 'deleted']);
      expect(other).toEqual(['running', 'stopped', 'deleted']);
    });

    it('are told of when they change while they are listed', async (kit) => {
      await kit.open({ id: 'a' });
      const last = await kit.open({ id: 'b' });
      const seen: string[] = [];
      const stopped: Promise<SandboxInfo>[] = [];
      const tell = ({ id, status }: SandboxInfo): void => {
        seen.push(`${id} ${status}`);
        if (seen.length === 1) stopped.push(last.stop().result());
      };
      kit.backend.watch({}).pipe(kit.untilOver()).subscribe(tell);
      await eventually('the change is told', () => seen.includes('b stopped'));
      await Promise.all(stopped);
      expect(seen.at(0)).toEqual('a running');
      expect(seen.at(-1)).toEqual('b stopped');
    });

    it('end when their lifetime is over', async (kit) => {
      const sandbox = await kit.open({ lifetimeMs: 3000 });
      const process = sandbox.exec(kit.commands.ignoreTerm);
      const { status, reason } = await sandbox.wait();
      expect([status, reason?.includes('3000 ms')]).toEqual(['stopped', true]);
      expect(await process.result()).toMatchObject({ signal: 'SIGKILL' });
    });

    needs('isolation', 'have no network but their own where that is asked for', {
      works: async (kit) => {
        const sandbox = await kit.open({ network: 'none' });
        expect(await sandbox.status()).toMatchObject({ status: 'running' });
      },
      refused: (kit) => kit.open({ network: 'none' }),
    });
  });

  describe('a main command', () => {
    it('is what the sandbox ends with', async (kit) => {
      const good = await kit.open({ command: kit.commands.late });
      const bad = await kit.open({ command: kit.commands.exit3 });
      expect(await good.wait()).toMatchObject({ status: 'completed', returncode: 0 });
      expect(await bad.wait()).toMatchObject({ status: 'failed', returncode: 3 });
      const absent = await kit.open({ command: kit.commands.absent });
      expect(await absent.wait()).toMatchObject({ status: 'failed' });
    });

    it('has logs that are followed to its end', async (kit) => {
      const sandbox = await kit.open({ command: kit.commands.late });
      const followed = await lastValueFrom(
        sandbox.logs$({ follow: true }).pipe(kit.untilOver(), toArray()),
      );
      expect(textOf(followed)).toEqual('early\nlate\n');
      await sandbox.wait();
      const retained = await lastValueFrom(sandbox.logs$().pipe(kit.untilOver(), toArray()));
      expect(textOf(retained)).toEqual('early\nlate\n');
    });

    it('has logs that are complete without waiting for more', async (kit) => {
      const sandbox = await kit.open({ command: kit.commands.ignoreTerm });
      await eventually('it has written', async () => {
        const logs = await lastValueFrom(sandbox.logs$().pipe(toArray()));
        return textOf(logs) === 'ready\n';
      });
      expect((await sandbox.status()).status).toEqual('running');
    });

    needs('logOptions', 'has logs of its last lines, since a time, and with times', {
      works: async (kit) => {
        const sandbox = await kit.open({ command: kit.commands.late });
        const logs = async (options: LogsOptions): Promise<string> =>
          textOf(await lastValueFrom(sandbox.logs$(options).pipe(kit.untilOver(), toArray())));
        await logs({ follow: true });
        expect(await logs({ tailLines: 1 })).toEqual('late\n');
        expect(await logs({ tailLines: 3 })).toEqual('early\nlate\n');
        expect(await logs({ sinceMs: Date.now() + 3_600_000 })).toEqual('');
        expect(await logs({ sinceMs: Date.now() - 3_600_000 })).toEqual('early\nlate\n');
        const stamped = /^\d{4}-\d\d-\d\dT[\d:.]+Z early\n\d{4}-\S+Z late\n$/;
        expect(stamped.test(await logs({ timestamps: true }))).toEqual(true);
      },
      refused: async (kit) => lastValueFrom((await kit.open()).logs$({ tailLines: 1 })),
    });

    needs('attach', 'has an id that no other run can have', {
      works: async (kit) => {
        const bare = await kit.open();
        await bare.exec(kit.commands.echoBoth, { id: 'main' });
        expect(await lastValueFrom(bare.logs$().pipe(toArray()))).toEqual([]);
        const sandbox = await kit.open({ command: kit.commands.ignoreTerm });
        const process = sandbox.exec(kit.commands.exit3, { id: 'main' });
        expect(await process.wait()).toEqual(3);
        expect((await sandbox.status()).status).toEqual('running');
      },
      refused: async (kit) => (await kit.open()).exec(kit.commands.exit3, { id: 'main' }),
    });

    it('is not needed: logs are empty without one', async (kit) => {
      const sandbox = await kit.open();
      expect(await lastValueFrom(sandbox.logs$({ follow: true }).pipe(toArray()))).toEqual([]);
    });
  });
}

function textOf(events: readonly { readonly data: Uint8Array }[]): string {
  return events.map(({ data }) => new TextDecoder().decode(data)).join('');
}
