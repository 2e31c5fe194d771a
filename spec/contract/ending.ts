import { lastValueFrom, Subject, switchMap } from 'rxjs';
import { elapsed, eventually, failureOf, type ContractSuite, type Kit } from './kit.js';
import type { ExecOptions, Process } from '../../lib/index.js';

/** All the ways in which a run is ended from outside. */
export function endingContract({ describe, it, needs, expect }: ContractSuite): void {
  describe('ending', () => {
    it('kills the run when it is unsubscribed', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.sleep);
      await eventually('it runs', () => process.state === 'running');
      expect(process.cancel()).toEqual(true);
      expect(process.cancel()).toEqual(false);
      await process.closed;
      expect(await failureOf(process.wait())).toMatchObject({ code: 'ERR_CANCELLED' });
      expect(process.poll()).toEqual(null);
    });

    it('kills the run when it is unsubscribed at once', async (kit) => {
      const sandbox = await kit.open();
      // The grace is longer than the test may take: the signal must not get lost while the command is being started.
      for (let run = 0; run < 20; run++) {
        const process = sandbox.exec(kit.commands.sleep, { stdin: true, killGraceMs: 60_000 });
        process.cancel();
        await process.closed;
      }
    });

    it('kills what ignores SIGTERM when the grace is over, not before', async (kit) => {
      const { process } = await ready(kit, 'ignoreTerm', { killGraceMs: 300 });
      const start = Date.now();
      process.cancel();
      await process.closed;
      if (!kit.killsAtOnce) expect(Date.now() - start >= 290).toEqual(true);
    });

    it('lets a run end itself within the grace', async (kit) => {
      const { process } = await ready(kit, 'reportTerm', { killGraceMs: 20_000 });
      process.cancel();
      await process.closed;
    });

    it('is over at once when its abort signal was aborted before', async (kit) => {
      const signal = AbortSignal.abort('changed my mind');
      const process = (await kit.open()).exec(kit.commands.sleep, { signal, stdin: true });
      expect(await failureOf(process.result())).toMatchObject({ code: 'ERR_CANCELLED' });
      await process.closed;
    });

    it('kills the superseded run in a switchMap', async (kit) => {
      const sandbox = await kit.open();
      const wanted: Subject<readonly string[]> = new Subject();
      const results = lastValueFrom(
        wanted.pipe(
          switchMap((command) => sandbox.run$(command)),
          kit.untilOver(),
        ),
      );
      wanted.next(kit.commands.sleep);
      wanted.next(kit.commands.exit3);
      wanted.complete();
      expect(await results).toMatchObject({ returncode: 3 });
    });

    it('kills the run when its time is over', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.sleep, { timeoutMs: 100 });
      expect(await failureOf(process.result())).toMatchObject({
        code: 'ERR_RUN_TIMEOUT',
        timeoutMs: 100,
      });
      expect(process.state).toEqual('failed');
      await process.closed;
    });

    it('does not end a run before its time', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.late, { timeoutMs: 20_000 });
      expect(await process.wait()).toEqual(0);
    });

    it('kills the run when it is aborted', async (kit) => {
      const abort = new AbortController();
      const process = (await kit.open()).exec(kit.commands.sleep, { signal: abort.signal });
      await eventually('it runs', () => process.state === 'running');
      abort.abort('enough');
      expect(await failureOf(process.result())).toMatchObject({
        code: 'ERR_CANCELLED',
        cause: 'enough',
      });
      await process.closed;
    });

    it('does not start what was aborted before', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.sleep, {
        signal: AbortSignal.abort('too late'),
      });
      expect(await failureOf(process.result())).toMatchObject({ cause: 'too late' });
    });

    it('makes an exit status an error where `check` asks for it', async (kit) => {
      const sandbox = await kit.open();
      const process = sandbox.exec(kit.commands.exit3, { check: true });
      const refused = { code: 'ERR_EXIT_STATUS', reason: 'exit_status', sandboxId: sandbox.id };
      expect(await failureOf(process.result())).toMatchObject({ ...refused, runId: process.id });
      await process.closed;
      const run$ = sandbox.exec$(kit.commands.exit3, { check: true });
      const failed = lastValueFrom(run$, { defaultValue: undefined });
      expect(await failureOf(failed)).toMatchObject(refused);
    });
  });

  describe('signals', () => {
    needs('signals', 'sends a signal and goes on observing', {
      works: async (kit) => {
        const { process } = await ready(kit, 'reportTerm', {});
        await process.kill();
        expect(await process.result()).toMatchObject({ returncode: 5, stdout: 'ready\nbye\n' });
      },
      refused: async (kit) => (await kit.open()).exec(kit.commands.sleep).kill(),
    });

    needs('signals', 'reports the signal that a run died of', {
      works: async (kit) => {
        const process = (await kit.open()).exec(kit.commands.sleep);
        await process.kill('SIGTERM');
        expect(await process.result()).toMatchObject({ returncode: 143, signal: 'SIGTERM' });
      },
      refused: async (kit) => (await kit.open()).exec(kit.commands.sleep).kill('SIGTERM'),
    });

    needs('signals', 'kills what ignores all others', {
      works: async (kit) => {
        const { process } = await ready(kit, 'ignoreTerm', {});
        await process.kill('SIGTERM');
        await elapsed(100);
        expect(process.poll()).toEqual(null);
        await process.kill('SIGKILL');
        expect(await process.result()).toMatchObject({ returncode: 137, signal: 'SIGKILL' });
      },
      refused: async (kit) => (await kit.open()).exec(kit.commands.sleep).kill('SIGKILL'),
    });

    it('refuses a signal for a run that is over', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.exit3);
      await process.wait();
      expect(await failureOf(Promise.resolve().then(() => process.kill()))).toMatchObject({
        code: 'ERR_PROCESS_OVER',
      });
    });
  });
}

/** A program that has said that it is ready. */
async function ready(
  kit: Kit,
  program: 'ignoreTerm' | 'reportTerm',
  options: ExecOptions,
): Promise<{ process: Process }> {
  const process = (await kit.open()).exec(kit.commands[program], options);
  let said = '';
  process.stdout$.pipe(kit.untilOver()).subscribe({
    next: (text) => (said += text),
    error: (error: unknown) => (said = String(error)),
  });
  await eventually('it is ready', () => said === 'ready\n');
  // Not the handle itself, which an async function would await.
  return { process };
}
