import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { eventually, failureOf, type ContractSuite } from './kit.js';

/** Runs that are found by their ids. */
export function identityContract({ describe, it, needs, expect }: ContractSuite): void {
  describe('the id of a run', () => {
    it('is told, and is another one for each', async (kit) => {
      const sandbox = await kit.open();
      const ids = [1, 2].map(() => sandbox.exec(kit.commands.exit3).id);
      expect(new Set(ids).size).toEqual(2);
    });

    needs('attach', 'given twice, runs the command once', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const first = sandbox.exec(kit.commands.late, { id: 'one' });
        const second = sandbox.exec(kit.commands.exit3, { id: 'one' });
        expect(await second.result()).toMatchObject({ returncode: 0, stdout: 'early\nlate\n' });
        expect(await first.result()).toMatchObject({ returncode: 0, stdout: 'early\nlate\n' });
        await Promise.all([first.closed, second.closed]);
      },
      refused: async (kit) => {
        const sandbox = await kit.open();
        sandbox.exec(kit.commands.late, { id: 'one' });
        return sandbox.exec(kit.commands.late, { id: 'one' });
      },
    });

    needs('attach', 'given again after the end, gives that end', {
      works: async (kit) => {
        const sandbox = await kit.open();
        await sandbox.exec(kit.commands.exit3, { id: 'one' });
        expect(await sandbox.exec(kit.commands.echoBoth, { id: 'one' }).wait()).toEqual(3);
      },
      refused: async (kit) => {
        const sandbox = await kit.open();
        await sandbox.exec(kit.commands.exit3, { id: 'one' });
        return sandbox.exec(kit.commands.exit3, { id: 'one' });
      },
    });
  });

  describe('attaching', () => {
    needs('attach', 'gives what is retained, then what comes', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run = sandbox.exec(kit.commands.late, { id: 'late' });
        await firstValueFrom(run.stdout$);
        const attached = sandbox.attach('late');
        expect(await attached.result()).toMatchObject({ returncode: 0, stdout: 'early\nlate\n' });
        await attached.closed;
      },
      refused: async (kit) => (await kit.open()).attach('late'),
    });

    needs('attach', 'begins at the offset that was asked for', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run = sandbox.exec(kit.commands.late, { id: 'late' });
        await firstValueFrom(run.stdout$);
        const { events$, stdout$ } = sandbox.attach('late', { from: { stdout: 3 } });
        const events = await lastValueFrom(events$.pipe(kit.untilOver(), toArray()));
        expect(events[0]).toMatchObject({ type: 'stdout', offset: 3 });
        expect((await lastValueFrom(stdout$.pipe(toArray()))).join('')).toEqual('ly\nlate\n');
      },
      refused: async (kit) => (await kit.open()).attach('late', { from: { stdout: 3 } }),
    });

    needs('attach', 'only observes: who leaves ends nothing', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run = sandbox.exec(kit.commands.sleep, { id: 'sleep' });
        const attached = sandbox.attach('sleep');
        await eventually('it runs', () => run.state === 'running');
        attached.cancel();
        await attached.closed;
        const again = sandbox.exec(kit.commands.sleep, { id: 'sleep' });
        again.cancel();
        await again.closed;
        expect(run.state).toEqual('running');
        expect(await failureOf(run.wait(50))).toMatchObject({ code: 'ERR_WAIT_TIMEOUT' });
        run.cancel();
        await run.closed;
      },
      refused: async (kit) => (await kit.open()).attach('sleep'),
    });

    needs('attach', 'fails where there is no such run', {
      works: async (kit) => {
        const attached = (await kit.open()).attach('nobody');
        expect(await failureOf(attached.result())).toMatchObject({ code: 'ERR_NOT_FOUND' });
      },
      refused: async (kit) => (await kit.open()).attach('nobody'),
    });
  });
}
