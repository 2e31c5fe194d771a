import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, from, mergeMap, NEVER, of, range, throwError, toArray } from 'rxjs';
import {
  ConnectionLostError,
  OperationRef,
  Process,
  ProcessResult,
  SandboxExecutionError,
  type ProcessEvent,
} from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { DrivenRun, outcome, watch } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';

const o: ProcessEvent = { type: 'stdout', data: bytes('out'), offset: 0 };
const e: ProcessEvent = { type: 'stderr', data: bytes('err'), offset: 0 };
const p: ProcessEvent = { type: 'stdout', data: bytes('put'), offset: 3 };
const x: ProcessEvent = { type: 'exit', returncode: 7 };
const events = { o, e, p, x };

describe('Process', () => {
  it('is an OperationRef', () => {
    expect(new DrivenRun().process).toBeInstanceOf(OperationRef);
  });

  it('subscribes to its run at once, and once', () => {
    const run = new DrivenRun();
    run.process.stdout$.subscribe();
    run.process.events$.subscribe();
    void run.process.wait();
    expect(run.subscribed).toBe(1);
  });

  it('multicasts the events as text and result', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('   --o--e--p--(x|)', events);
      const subscribed = '    ^----------!   ';
      const process = new Process(source, ['test']);

      expectObservable(process.events$).toBe('--o--e--p--(x|)', events);
      expectObservable(process.stdout$).toBe('--a-----b--|   ', { a: 'out', b: 'put' });
      expectObservable(process.stderr$).toBe('-----a-----|   ', { a: 'err' });
      expectObservable(process.state$).toBe(' s-r--------(x|)', {
        s: 'starting',
        r: 'running',
        x: 'exited',
      });
      expectObservable(process.result$).toBe('-----------(r|)', { r: expect.any(ProcessResult) });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('does not touch the run when its subscribers leave', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--e--p--(x|)', events);
      const process = new Process(source, ['test']);
      const leave = '      ---!           ';

      expectObservable(process.events$, leave).toBe('--o-', events);
      expectObservable(process.stdout$, leave).toBe('--a-', { a: 'out' });
      expectObservable(process.result$, leave).toBe('----');
      expectObservable(process.state$, leave).toBe(' s-r-', { s: 'starting', r: 'running' });
      expectSubscriptions(source.subscriptions).toBe('^----------!');
    });
  });

  it('knows the exit status once it is known', () => {
    const run = new DrivenRun();
    expect([run.process.returncode, run.process.poll()]).toEqual([null, null]);
    run.out('hi');
    expect(run.process.poll()).toBeNull();
    run.exit(3);
    expect([run.process.returncode, run.process.poll()]).toEqual([3, 3]);
  });

  it.each([
    ['failed', (run: DrivenRun) => run.fail()],
    ['cancelled', (run: DrivenRun) => run.process.cancel()],
    ['failed', (run: DrivenRun) => run.vanish()],
  ])('has no exit status when the run %s', (state, end) => {
    const run = new DrivenRun();
    end(run);
    expect(run.process.state).toBe(state);
    expect(run.process.returncode).toBeNull();
  });

  it('has the id it was given, or one of its own that stays the same', () => {
    expect(new DrivenRun({ id: 'build-7' }).process.id).toBe('build-7');
    const { process } = new DrivenRun();
    expect(process.id).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(process.id).toBe(process.id);
    expect(new DrivenRun().process.id).not.toBe(process.id);
  });

  it('has the command it was given', () => {
    expect(new DrivenRun({}, ['ls', '-l']).process.command).toEqual(['ls', '-l']);
  });

  it('has no stdin, signals or terminal when nothing offers them', () => {
    const { process } = new DrivenRun();
    expect(process.stdin).toBeNull();
    const unsupported = (capability: string): unknown =>
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', capability });
    expect(() => process.kill()).toThrow(unsupported('signals'));
    expect(() => process.resize({ rows: 1, cols: 1 })).toThrow(unsupported('tty'));
  });

  describe('state$', () => {
    it('replays the current state and completes with the last', () => {
      const run = new DrivenRun();
      run.out('hi');
      const late = watch(run.process.state$);
      expect(late.values).toEqual(['running']);
      run.exit();
      expect(late).toMatchObject({ values: ['running', 'exited'], end: 'complete' });
      expect(watch(run.process.state$)).toMatchObject({ values: ['exited'], end: 'complete' });
    });

    it('goes from starting straight to a final state when nothing was heard of the run', () => {
      const run = new DrivenRun();
      const states = watch(run.process.state$);
      run.fail();
      expect(states).toMatchObject({ values: ['starting', 'failed'], end: 'complete' });
    });

    it('is running as soon as the run says that it has started', () => {
      let started = (): void => undefined;
      const connect = (lifecycle: { started(): void }): void => {
        started = () => {
          lifecycle.started();
        };
      };
      const run = new DrivenRun({ controls: { connect } });
      const states = watch(run.process.state$);
      started();
      started();
      run.process.cancel();
      started();
      expect(states.values).toEqual(['starting', 'running', 'cancelled']);
      expect(run.process.state).toBe('cancelled');
    });
  });

  describe('over a synchronous run', () => {
    it('is over when it is constructed, and gives everything to whoever comes', async () => {
      const process = new Process(of<ProcessEvent[]>(o, e, p, x), ['test']);
      expect(process.state).toBe('exited');
      expect(process.poll()).toBe(7);
      expect(watch(process.events$)).toMatchObject({
        values: [{ type: 'stdout' }, e, { offset: 3 }, x],
        end: 'complete',
      });
      expect(watch(process.stdout$).values.join('')).toBe('output');
      await expect(process.wait()).resolves.toBe(7);
    });

    it('fails when the run does', async () => {
      const error = new Error('no');
      const process = new Process(
        throwError(() => error),
        ['test'],
      );
      expect(process.state).toBe('failed');
      await expect(process.wait()).rejects.toBe(error);
      await expect(process.closed).resolves.toBeUndefined();
    });

    it("stops an endless one that outgrew its limit, with overflow: 'fail'", () => {
      let asked = 0;
      function* endless(): Generator<ProcessEvent> {
        for (; asked < 1000; asked++)
          yield { type: 'stdout', data: bytes('abc'), offset: asked * 3 };
      }
      const process = new Process(from(endless()), ['yes'], { overflow: 'fail', retainBytes: 10 });
      expect(process.state).toBe('failed');
      expect(asked).toBe(3);
    });
  });

  describe('where a value is wanted', () => {
    it('is its result when it is awaited', async () => {
      const run = new DrivenRun();
      run.out('hi');
      run.exit(2);
      const result = await run.process;
      expect(result).toBeInstanceOf(ProcessResult);
      expect(result).toMatchObject({ returncode: 2, stdout: 'hi', command: ['test', 'run'] });
    });

    it('is its result where RxJS takes an Observable', async () => {
      const make = (n: number): Process =>
        new Process(of({ type: 'exit', returncode: n }), ['test']);
      const one = await firstValueFrom(from(make(4)));
      expect(one.returncode).toBe(4);
      const all = await firstValueFrom(range(1, 3).pipe(mergeMap(make), toArray()));
      expect(all.map(({ returncode }) => returncode)).toEqual([1, 2, 3]);
    });

    it('gives its error there', async () => {
      const error = new Error('no');
      const run = new DrivenRun();
      run.fail(error);
      expect(await outcome(run.process)).toEqual({ error });
      expect(watch(from(run.process)).end).toEqual({ error });
    });
  });

  describe('of a run that completes without an exit', () => {
    it('fails: the outcome is not known', async () => {
      const run = new DrivenRun({ id: 'lost' });
      run.out('half');
      run.vanish();
      expect(run.process.state).toBe('failed');
      const ended = await outcome(run.process);
      expect(ended).toEqual({ error: expect.any(ConnectionLostError) });
      expect(ended).toMatchObject({ error: { code: 'ERR_CONNECTION_LOST', runId: 'lost' } });
    });
  });

  describe('check: true', () => {
    it('passes an exit status of 0', async () => {
      const run = new DrivenRun({ check: true });
      run.exit(0);
      await expect(run.process.wait()).resolves.toBe(0);
      expect(run.process.state).toBe('exited');
    });

    it('makes any other an error with the whole result, everywhere', async () => {
      const run = new DrivenRun({ check: true });
      const eventsSeen = watch(run.process.events$);
      const stdout = watch(run.process.stdout$);
      run.out('some');
      run.err(`${'x'.repeat(600)}last words\n`);
      run.exit(137, { signal: 'SIGKILL' });
      const { error } = (await outcome(run.process)) as { error: SandboxExecutionError };

      expect(error).toBeInstanceOf(SandboxExecutionError);
      expect(error).toMatchObject({ code: 'ERR_EXIT_STATUS', reason: 'exit_status' });
      expect(error.result).toMatchObject({ returncode: 137, signal: 'SIGKILL', stdout: 'some' });
      expect(error.message).toMatch(/^test did not succeed: signal SIGKILL\nx{490}last words$/);
      expect(eventsSeen.values.at(-1)).toMatchObject({ type: 'exit', returncode: 137 });
      expect([eventsSeen.end, stdout.end]).toEqual([{ error }, { error }]);
      expect(run.process.state).toBe('failed');
      expect(run.process.returncode).toBe(137);
    });

    it('does not kill a run that has exited already', () => {
      const run = new DrivenRun({ check: true });
      run.exit(1);
      expect(run.killed).toBe(0);
    });
  });

  it('stays silent as long as its run does', () => {
    const process = new Process(NEVER, ['sleep']);
    expect(watch(process.events$)).toMatchObject({ values: [], end: undefined });
    expect(process.state).toBe('starting');
  });
});
