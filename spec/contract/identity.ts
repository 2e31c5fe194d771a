import { first, firstValueFrom, lastValueFrom, toArray } from 'rxjs';
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

    needs('attach', 'given twice, leaves standard input to the first', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const first = sandbox.exec(kit.commands.takeLine, { id: 'one', stdin: true });
        const second = sandbox.exec(kit.commands.takeLine, { id: 'one', stdin: true });
        const write = async () => second.stdin?.write('lost\n');
        expect(await failureOf(write())).toMatchObject({ reason: 'stdin_closed' });
        await second.stdin?.close();
        await first.stdin?.writeline('taken');
        expect(await second.result()).toMatchObject({ stdout: 'taken\n' });
      },
      refused: async (kit) => {
        const sandbox = await kit.open();
        sandbox.exec(kit.commands.takeLine, { id: 'one', stdin: true });
        return sandbox.exec(kit.commands.takeLine, { id: 'one', stdin: true });
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
    needs('attach', 'after the end finds a run whose id was chosen, and no other', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const chosen = sandbox.exec(kit.commands.exit3, { id: 'chosen' });
        const others = [1, 2, 3].map(() => sandbox.exec(kit.commands.exit3));
        for (const run of [chosen, ...others]) await run.closed;
        expect(await sandbox.attach('chosen').wait()).toEqual(3);
        for (const { id } of others) {
          const attached = sandbox.attach(id);
          expect(await failureOf(attached.wait())).toMatchObject({ code: 'ERR_NOT_FOUND' });
          expect(attached.state).toEqual('failed');
        }
      },
      refused: async (kit) => (await kit.open()).attach('chosen'),
    });

    needs('attach', 'finds the end of a run whose starter left when its exit was told', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run$ = sandbox.exec$(kit.commands.exit3, { id: 'chosen' });
        const exit = await firstValueFrom(run$.pipe(first(({ type }) => type === 'exit')));
        const events = lastValueFrom(run$.pipe(kit.untilOver(), toArray()));
        expect((await events).at(-1)).toEqual(exit);
      },
      refused: async (kit) => (await kit.open()).attach('chosen'),
    });

    needs('attach', 'says that the run is running', {
      works: async (kit) => {
        const sandbox = await kit.open();
        const run = sandbox.exec(kit.commands.sleep, { id: 'sleep' });
        const early = sandbox.attach('sleep');
        await eventually('it runs', () => run.state === 'running');
        const handles = [
          sandbox.attach('sleep'),
          sandbox.exec(kit.commands.sleep, { id: 'sleep' }),
        ];
        await eventually('all know it', () =>
          [early, ...handles].every(({ state }) => state === 'running'),
        );
        run.cancel();
        for (const process of [run, early, ...handles]) await process.closed;
      },
      refused: async (kit) => (await kit.open()).attach('sleep'),
    });

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

    needs('attach', 'begins at an offset that is still to come', {
      works: async (kit) => {
        const sandbox = await kit.open();
        sandbox.exec(kit.commands.late, { id: 'late' });
        const attached = sandbox.attach('late', { from: { stdout: 8 } });
        const beyond = sandbox.attach('late', { from: { stdout: 100 } });
        const events = await lastValueFrom(attached.events$.pipe(kit.untilOver(), toArray()));
        expect(events[0]).toMatchObject({ type: 'stdout', offset: 8 });
        expect((await attached.result()).stdout).toEqual('te\n');
        expect(await beyond.result()).toMatchObject({ returncode: 0, stdout: '' });
      },
      refused: async (kit) => (await kit.open()).attach('late', { from: { stdout: 8 } }),
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
