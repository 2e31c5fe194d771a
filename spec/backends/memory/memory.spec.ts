import { describe, expect, it } from '@jest/globals';
import {
  catchError,
  first,
  firstValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  throwError,
  timer,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  lines,
  SandboxClient,
  SandboxError,
  stdout,
  type ExecRequest,
  type ProcessEvent,
} from 'sandbox-rx';
import { delay, err, exit, memoryBackend, out, type Program } from 'sandbox-rx/testing';

function testScheduler(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
}

const programs: Readonly<Record<string, Program>> = {
  build: [out('a'), delay(2), err('b'), delay(3), out('c'), exit(4)],
  broken: [out('a'), delay(2)],
  fails: () => throwError(() => new Error('boom')),
  sleep: () => NEVER,
  numbers: function* () {
    for (let n = 0; n < 5; n++) yield out(`${n}`);
  },
};

function request(command: string, more: Partial<ExecRequest> = {}): ExecRequest {
  return {
    sandboxId: 'box',
    id: command,
    keep: false,
    command: [command],
    env: {},
    stderr: 'pipe',
    paused$: NEVER,
    size$: NEVER,
    killSignal: 'SIGTERM',
    killGraceMs: 0,
    drainGraceMs: 0,
    lifecycle: { started: () => undefined, closed: () => undefined },
    ...more,
  };
}

const text = (event: ProcessEvent): string =>
  event.type === 'exit' ? `exit ${event.returncode}` : new TextDecoder().decode(event.data);

describe('the memory backend on virtual time', () => {
  it('takes the steps of a script as marbles', () => {
    const scheduler = testScheduler();
    scheduler.run(({ expectObservable, flush }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box' }).subscribe();
      const run$ = backend.exec(request('build'));
      expectObservable(run$.pipe(map(text))).toBe('a-b--(cx|)', {
        a: 'a',
        b: 'b',
        c: 'c',
        x: 'exit 4',
      });
      flush();
      expect(backend.runs).toMatchObject([{ command: ['build'], state: 'exited' }]);
    });
  });

  it('does so within TestScheduler.run without being told of it', () => {
    testScheduler().run(({ expectObservable }) => {
      const backend = memoryBackend({ programs });
      backend.create({ id: 'box' }).subscribe();
      const run$ = backend.exec(request('build')).pipe(map(text));
      expectObservable(run$).toBe('a-b--(cx|)', { a: 'a', b: 'b', c: 'c', x: 'exit 4' });
    });
  });

  it('is cold: each subscription is a run, at its own time', () => {
    const scheduler = testScheduler();
    scheduler.run(({ expectObservable, flush }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box' }).subscribe();
      const run$ = backend.exec(request('build')).pipe(map(text), stdoutOnly());
      expect(backend.runs).toEqual([]);
      expectObservable(run$).toBe('a----(c|)');
      expectObservable(timer(20).pipe(mergeMap(() => run$))).toBe('20ms a----(c|)');
      flush();
      expect(backend.runs).toHaveLength(2);
    });
  });

  it('records what became of each run', () => {
    const scheduler = testScheduler();
    scheduler.run(({ expectObservable, flush }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box' }).subscribe();
      expectObservable(backend.exec(request('sleep')), '--!').toBe('---');
      expectObservable(backend.exec(request('sleep', { id: 'other' }))).toBe('-');
      expectObservable(backend.exec(request('fails'))).toBe('#', undefined, new Error('boom'));
      expectObservable(backend.exec(request('broken')).pipe(map(text))).toBe('a-(x|)', {
        a: 'a',
        x: 'exit 0',
      });
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual([
        'cancelled',
        'running',
        'failed',
        'exited',
      ]);
    });
  });

  it('records a run as exited whose observer leaves when the exit is told', async () => {
    const backend = memoryBackend({ programs });
    const sandbox = await new SandboxClient(backend).create();
    await firstValueFrom(sandbox.exec$(['build']).pipe(first(({ type }) => type === 'exit')));
    expect(backend.runs).toMatchObject([{ state: 'exited' }]);
  });

  it('records the sandbox, the variables and the directory of a run', async () => {
    const backend = memoryBackend({ programs });
    const sandbox = await new SandboxClient(backend).create({ id: 'box' });
    await sandbox.exec(['build', 'all'], { env: { A: '1' }, cwd: 'src' });
    expect(backend.runs).toEqual([
      {
        id: expect.any(String),
        sandboxId: 'box',
        command: ['build', 'all'],
        env: { A: '1' },
        cwd: 'src',
        state: 'exited',
      },
    ]);
  });

  it('makes a program wait while it is paused', () => {
    const scheduler = testScheduler();
    scheduler.run(({ cold, expectObservable }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box' }).subscribe();
      const paused$ = cold('p----r', { p: true, r: false });
      const run$ = backend.exec(request('numbers', { paused$ })).pipe(map(text));
      expectObservable(run$).toBe('-----(01234x|)', { ...digits, x: 'exit 0' });
    });
  });

  it('pauses in the middle of a script', () => {
    const scheduler = testScheduler();
    scheduler.run(({ cold, expectObservable }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box' }).subscribe();
      const paused$ = cold('-p------r', { p: true, r: false });
      const run$ = backend.exec(request('build', { paused$ })).pipe(map(text));
      expectObservable(run$).toBe('a-------b--(cx|)', { a: 'a', b: 'b', c: 'c', x: 'exit 4' });
    });
  });

  it('ends a sandbox when its lifetime is over', () => {
    const scheduler = testScheduler();
    scheduler.run(({ expectObservable }) => {
      const backend = memoryBackend({ programs, scheduler });
      backend.create({ id: 'box', lifetimeMs: 5 }).subscribe();
      const states$ = backend.watch({}).pipe(map(({ status }) => status));
      expectObservable(states$, '10ms !').toBe('r----s', { r: 'running', s: 'stopped' });
      expectObservable(backend.exec(request('sleep')).pipe(map(text))).toBe('-----(x|)', {
        x: 'exit 137',
      });
    });
  });

  it('drives a pipeline of operators and time limits', () => {
    const scheduler = testScheduler();
    scheduler.run(({ expectObservable }) => {
      const script: Program = [out('one\ntw'), delay(3), out('o\n'), delay(3), exit(0)];
      const client = new SandboxClient(
        memoryBackend({ programs: { script, ...programs }, scheduler }),
      );
      const lines$ = client.withSandbox({}, (sandbox) =>
        sandbox.exec$(['script']).pipe(stdout(), lines()),
      );
      expectObservable(lines$).toBe('1--2--|', { 1: 'one', 2: 'two' });
      const late$ = client.withSandbox({}, (sandbox) =>
        sandbox.run$(['sleep'], { timeoutMs: 4, scheduler }),
      );
      const codes$ = late$.pipe(map(() => 'over'));
      expectObservable(codes$.pipe(catchCode())).toBe('----(e|)', { e: 'ERR_RUN_TIMEOUT' });
    });
  });
});

const digits = { 0: '0', 1: '1', 2: '2', 3: '3', 4: '4' };

function stdoutOnly() {
  return mergeMap((said: string) => (said === 'a' || said === 'c' ? of(said) : []));
}

function catchCode() {
  return catchError((error: unknown) => of(error instanceof SandboxError ? error.code : 'unknown'));
}
