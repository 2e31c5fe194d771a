import { concat, finalize, lastValueFrom, NEVER, of, Subject, throwError } from 'rxjs';
import type { StreamWriter } from '../../lib/index.js';
import { eventually, failureOf, type ContractSuite } from './kit.js';

/** Standard input from every kind of source. */
export function stdinContract({ describe, it, expect }: ContractSuite): void {
  describe('standard input', () => {
    it('is empty and at EOF by default', async (kit) => {
      expect(await (await kit.open()).exec(kit.commands.cat).result()).toMatchObject({
        returncode: 0,
        stdout: '',
      });
    });

    it('may be text', async (kit) => {
      expect(
        (await (await kit.open()).exec(kit.commands.cat, { stdin: 'zwölf\n' }).result()).stdout,
      ).toEqual('zwölf\n');
    });

    it('may be bytes, of which none is changed', async (kit) => {
      const sandbox = await kit.open();
      const stdin = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) & 255);
      const { stdoutBytes } = await lastValueFrom(sandbox.run$(kit.commands.cat, { stdin }));
      expect(stdoutBytes.length).toEqual(stdin.length);
      expect(stdoutBytes.every((byte, index) => byte === stdin[index])).toEqual(true);
    });

    it('may be an Observable, whose completion is EOF', async (kit) => {
      const stdin: Subject<string> = new Subject();
      const process = (await kit.open()).exec(kit.commands.cat, { stdin });
      const seen: string[] = [];
      process.stdout$.pipe(kit.untilOver()).subscribe((text) => seen.push(text));
      await eventually('stdin is subscribed to', () => stdin.observed);
      stdin.next('one\n');
      await eventually('the first line comes back', () => seen.join('') === 'one\n');
      stdin.next('two\n');
      stdin.complete();
      expect(await process.result()).toMatchObject({ returncode: 0, stdout: 'one\ntwo\n' });
    });

    it('may be an async iterable, read no faster than it is taken', async (kit) => {
      async function* lines() {
        for (let line = 1; line <= 100; line++) {
          await Promise.resolve();
          yield `${line}\n`;
        }
      }
      const { stdout } = await (
        await kit.open()
      )
        .exec(kit.commands.cat, { stdin: lines() })
        .result();
      expect(stdout.split('\n').length).toEqual(101);
    });

    it('may be a StreamWriter', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.cat, { stdin: true });
      await process.stdin?.write(new TextEncoder().encode('b'));
      await process.stdin?.writeline('ar');
      await process.stdin?.close();
      expect(await process.result()).toMatchObject({ returncode: 0, stdout: 'bar\n' });
    });

    it('by a StreamWriter is refused after its close, and when the process is over', async (kit) => {
      const sandbox = await kit.open();
      const write = async ({ stdin }: { stdin: StreamWriter | null }) => stdin?.write('late');
      const closed = sandbox.exec(kit.commands.cat, { stdin: true });
      await closed.stdin?.close();
      expect(await failureOf(write(closed))).toMatchObject({ reason: 'stdin_closed' });
      const over = sandbox.exec(kit.commands.exit3, { stdin: true });
      await over.wait();
      expect(await failureOf(write(over))).toMatchObject({ reason: 'process_over' });
      await over.stdin?.close();
    });

    it('that errors kills the run, and is its error', async (kit) => {
      const broken = new Error('the source broke');
      const stdin = concat(
        of('a line\n'),
        throwError(() => broken),
      );
      const process = (await kit.open()).exec(kit.commands.cat, { stdin });
      expect((await failureOf(process.result())) === broken).toEqual(true);
      expect(process.state).toEqual('failed');
      await process.closed;
    });

    it('is unsubscribed when the process exits', async (kit) => {
      let released = false;
      const release = (): void => {
        released = true;
      };
      const stdin = concat(of('only\n'), NEVER).pipe(finalize(release));
      const process = (await kit.open()).exec(kit.commands.takeLine, { stdin });
      expect(await process.result()).toMatchObject({ returncode: 0, stdout: 'only\n' });
      expect(released).toEqual(true);
    });

    it('may be more than the process reads', async (kit) => {
      const stdin = `first\n${'x'.repeat(2_000_000)}`;
      const process = (await kit.open()).exec(kit.commands.takeLine, { stdin });
      expect(await process.result()).toMatchObject({ returncode: 0, stdout: 'first\n' });
      await process.closed;
    });
  });
}
