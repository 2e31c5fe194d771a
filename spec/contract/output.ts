import { lastValueFrom, toArray } from 'rxjs';
import type { OutputStream, ProcessEvent, Sandbox } from '../../lib/index.js';
import { countedTo, type ContractSuite, type Kit } from './kit.js';

/** What a run emits, and in which order. */
export function outputContract({ describe, it, expect }: ContractSuite): void {
  const eventsOf = async (kit: Kit, sandbox: Sandbox, command: readonly string[]) =>
    lastValueFrom(sandbox.exec$(command).pipe(kit.untilOver(), toArray()));

  describe('output and exit', () => {
    it('gives both streams, then one exit, then completes', async (kit) => {
      const events = await eventsOf(kit, await kit.open(), kit.commands.echoBoth);
      expect(textOf(events, 'stdout')).toEqual('out\n');
      expect(textOf(events, 'stderr')).toEqual('err\n');
      expect(events.at(-1)).toEqual({ type: 'exit', returncode: 0 });
      expect(events.filter(({ type }) => type === 'exit').length).toEqual(1);
    });

    it('loses nothing, and gives offsets without gaps', async (kit) => {
      const events = await eventsOf(kit, await kit.open(), kit.commands.count);
      expect(textOf(events, 'stdout') === countedTo(100_000)).toEqual(true);
      let next = 0;
      for (const event of events) {
        if (event.type !== 'stdout') continue;
        expect(event.offset).toEqual(next);
        next += event.data.length;
      }
      expect(events.at(-1)).toEqual({ type: 'exit', returncode: 0 });
    });

    it('joins standard error at the source, in true order', async (kit) => {
      const sandbox = await kit.open();
      const { stdout, stderr } = await sandbox.exec(kit.commands.mixed, { stderr: 'stdout' });
      expect(stdout).toEqual('o1\ne1\no2\ne2\no3\ne3\n');
      expect(stderr).toEqual('');
    });

    it('is cold: nothing runs before it is subscribed to, and each subscription is a new run', async (kit) => {
      const sandbox = await kit.open();
      const run$ = sandbox.run$(kit.commands.late);
      const both = await Promise.all([lastValueFrom(run$), lastValueFrom(run$)]);
      expect(both.map(({ stdout }) => stdout)).toEqual(['early\nlate\n', 'early\nlate\n']);
      expect(both[0] === both[1]).toEqual(false);
    });

    it('gives an exit status as a value', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.exit3);
      expect(await process.wait()).toEqual(3);
      expect(process.poll()).toEqual(3);
      expect(process.state).toEqual('exited');
    });

    it('names the signal that a process died of', async (kit) => {
      expect(await (await kit.open()).exec(kit.commands.selfKill).result()).toMatchObject({
        returncode: 137,
        signal: 'SIGKILL',
      });
    });

    it('tells when nothing of a run is left', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.echoBoth);
      await process.closed;
      expect(process.poll()).toEqual(0);
    });
  });
}

function textOf(events: readonly ProcessEvent[], stream: OutputStream): string {
  const decoder = new TextDecoder();
  return events
    .map((event) => (event.type === stream ? decoder.decode(event.data, { stream: true }) : ''))
    .join('');
}
