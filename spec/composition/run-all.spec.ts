import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, NEVER, throwError, toArray } from 'rxjs';
import {
  runAll,
  SandboxClient,
  SandboxError,
  SandboxValidationError,
  type CommandInput,
  type RunAllEvent,
  type RunAllOptions,
} from 'sandbox-rx';
import { marbles } from '../support/marbles.js';
import { slowBackend } from './altered-backend.js';
import { brief, job, memoryPlace, record } from './fleet-kit.js';

/** What may be told, by a letter each: `s` to `v` begin, `w` to `z` end as they should. */
const told = {
  s: 'start 0',
  t: 'start 1',
  u: 'start 2',
  v: 'start 3',
  w: 'exit 0: 0',
  x: 'exit 1: 0',
  y: 'exit 2: 0',
  z: 'exit 3: 0',
  X: 'failed 1: ERR_EXIT_STATUS',
  W: 'failed 0: ERR_CANCELLED',
  Y: 'failed 2: ERR_CANCELLED',
};

const commands = { a: job(30), b: job(10), c: job(10), d: job(10, 1) };

describe('runAll', () => {
  it('runs so many at a time, and starts the next when one is over', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const { sandbox } = memoryPlace();
      const source = cold('(abc|)', commands);
      const subscribed = ' (^!)';
      const expected = '   (st) 6ms (xu) 6ms y 9ms (w|)';
      expectObservable(runAll(source, { sandbox, concurrency: 2 }).pipe(brief())).toBe(
        expected,
        told,
      );
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('runs what comes as it comes, and queues what comes too early', () => {
    marbles(({ cold, expectObservable }) => {
      const { sandbox } = memoryPlace();
      const source = cold('--b---b-----b--|', commands);
      const expected = '   --s 9ms (wt) 6ms (xu) 6ms (y|)';
      const options = { sandbox, concurrency: 1 };
      expectObservable(runAll(source, options).pipe(brief())).toBe(expected, told);
    });
  });

  it('stays silent while nothing comes, completes with an empty source', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const { sandbox } = memoryPlace();
      const never = cold<string[]>('-----');
      const empty = cold<string[]>('---|');
      expectObservable(runAll(never, { sandbox }), '----!').toBe('-----');
      expectObservable(runAll(empty, { sandbox })).toBe('---|');
      expectObservable(runAll([], { sandbox })).toBe('|');
      expectSubscriptions(never.subscriptions).toBe('^---!');
      expectSubscriptions(empty.subscriptions).toBe('^--!');
    });
  });

  it('tells what happens to one command', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      expectObservable(runAll([job(10)], { sandbox }).pipe(brief())).toBe('s 9ms (w|)', told);
    });
  });

  it('kills what runs when it is unsubscribed, and starts nothing more', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const source = cold('      (abc)', commands);
      const unsubscribe = '      5ms !';
      const subscribed = '       ^ 4ms !';
      const expected = '         (st)--';
      expectObservable(runAll(source, { sandbox, concurrency: 2 }).pipe(brief()), unsubscribe).toBe(
        expected,
        told,
      );
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    });
  });

  it('runs everything again for each subscription', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const { sandbox } = memoryPlace();
      const source = cold('b|', commands);
      const all$ = runAll(source, { sandbox }).pipe(brief());
      expectObservable(all$).toBe('         s 9ms (w|)', told);
      expectObservable(all$, '---^').toBe('---s 9ms (w|)', told);
      expectSubscriptions(source.subscriptions).toBe(['^!', '---^!']);
    });
  });

  it('ends all with the error of its source', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const source = cold('a---#', commands);
      expectObservable(runAll(source, { sandbox }).pipe(brief())).toBe('s---(W#)', told);
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled']);
    });
    const { sandbox } = memoryPlace();
    const broken = new Error('broken');
    function* throwing(): Generator<CommandInput> {
      throw broken;
    }
    expect(record(runAll(throwing(), { sandbox })).end).toBe(broken);
  });
});

describe('runAll, ordered', () => {
  it('tells outcomes in the order of the commands', () => {
    marbles(({ cold, expectObservable }) => {
      const { sandbox } = memoryPlace();
      const source = cold('(abc|)', commands);
      const expected = '   (st) 6ms u 19ms (wxy|)';
      const options = { sandbox, concurrency: 2, ordered: true };
      expectObservable(runAll(source, options).pipe(brief())).toBe(expected, told);
    });
  });

  it('starts no more commands when so many outcomes wait', () => {
    marbles(({ cold, expectObservable }) => {
      const { sandbox } = memoryPlace();
      const source = cold('(abcb|)', commands);
      const expected = '   (st) 6ms u 19ms (wxyv) 4ms (z|)';
      const options = { sandbox, concurrency: 2, ordered: true, maxHeld: 2 };
      expectObservable(runAll(source, options).pipe(brief())).toBe(expected, told);
    });
  });
});

describe('runAll, when commands fail', () => {
  it('goes on, and takes an exit status for a value unless it is told to check', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const source = [job(10, 1), job(10, 2), ['nobody']];
      expectObservable(runAll(source, { sandbox, concurrency: 1 }).pipe(brief())).toBe(
        's 9ms (wt) 6ms (xuy|)',
        { ...told, w: 'exit 0: 1', x: 'exit 1: 2', y: 'failed 2: ERR_NOT_STARTED' },
      );
      const checked$ = runAll([job(10), job(10, 2), job(10)], { sandbox, check: true });
      expectObservable(checked$.pipe(brief())).toBe('(stu) 5ms (wXy|)', told);
    });
  });

  it('stops at the first error where it is asked to, and tells what was killed', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const source = [job(30), job(10, 1), job(20), job(10)];
      const options = { sandbox, concurrency: 3, check: true, stopOnError: true };
      const refused = expect.objectContaining({ code: 'ERR_EXIT_STATUS' });
      expectObservable(runAll(source, options).pipe(brief())).toBe(
        '(stu) 5ms (XWY#)',
        told,
        refused,
      );
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled', 'exited', 'cancelled']);
    });
  });

  it('tells what was killed in the order of the commands too', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const source = [job(30), job(10, 1), job(20), job(10)];
      const options = { sandbox, concurrency: 3, check: true, stopOnError: true, ordered: true };
      const refused = expect.objectContaining({ code: 'ERR_EXIT_STATUS' });
      const expected = '(stu) 5ms (WXY#)';
      expectObservable(runAll(source, options).pipe(brief())).toBe(expected, told, refused);
    });
  });

  it('tells why a command was killed', () => {
    const { sandbox } = memoryPlace();
    const options = { sandbox, check: true, stopOnError: true } as const;
    const { seen, end } = record(runAll([job(30), ['nobody']], options));
    expect(seen.at(-1)).toMatchObject({ type: 'failed', index: 0, error: { cause: end } });
  });

  it('tells a bad command, and runs the others', () => {
    const { sandbox } = memoryPlace();
    const source = [[], 'ls', { command: ['ls', 5] }, { command: job(0), options: { cwd: 5 } }];
    const { seen, end } = record(runAll(source as CommandInput[], { sandbox }).pipe(brief()));
    expect(seen).toEqual([0, 1, 2, 3].map((index) => `failed ${index}: ERR_VALIDATION`));
    expect(end).toBe('complete');
  });

  it('ends a command that takes too long, or all of them', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const late = { ...told, w: 'failed 0: ERR_RUN_TIMEOUT', x: 'exit 1: 0' };
      const source = [job(30), job(10), { command: job(30), options: { timeoutMs: 40 } }];
      expectObservable(runAll(source, { sandbox, timeoutMs: 20 }).pipe(brief())).toBe(
        '(stu) 5ms x 9ms w 9ms (y|)',
        late,
      );
      const totalled$ = runAll([job(10), job(30)], { sandbox, totalTimeoutMs: 20 });
      const timeout = expect.objectContaining({ code: 'ERR_RUN_TIMEOUT', timeoutMs: 20 });
      expectObservable(totalled$.pipe(brief())).toBe(
        '(st) 6ms w 9ms (x#)',
        { ...told, x: 'failed 1: ERR_CANCELLED' },
        timeout,
      );
      flush();
      expect(backend.runs.filter(({ state }) => state === 'running')).toEqual([]);
    });
  });

  it('tells the outcome of a command that was ended by its own signal', () => {
    const { sandbox } = memoryPlace();
    const controller = new AbortController();
    const source = [{ command: job(5), options: { signal: controller.signal } }, job(0)];
    const { seen } = record(runAll(source, { sandbox }).pipe(brief()));
    controller.abort();
    expect(seen).toEqual(['start 0', 'start 1', 'failed 0: ERR_CANCELLED']);
  });
});

describe('runAll tells', () => {
  it('output where it is asked for, all of it before the end', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const options = { sandbox, output: true };
      expectObservable(runAll([job(10)], options).pipe(brief())).toBe('s 9ms (ow|)', {
        ...told,
        o: 'stdout 0',
      });
    });
  });

  it('which command, in which sandbox, by which run', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const seen: RunAllEvent[] = [];
      runAll([{ command: job(10), options: { env: { A: '1' } } }], {
        sandbox,
        cwd: 'there',
        env: { B: '2' },
      }).subscribe((event) => seen.push(event));
      expectObservable(NEVER, '20ms !').toBe('-');
      flush();
      const [run] = backend.runs;
      expect(run).toMatchObject({ cwd: 'there', env: { A: '1' } });
      const ref = { index: 0, command: job(10), attempt: 1, sandboxId: sandbox.id, runId: run?.id };
      expect(seen).toMatchObject([
        { type: 'started', ...ref },
        { type: 'finished', ...ref, result: { stdout: '10\n', returncode: 0 } },
      ]);
    });
  });

  it('how things stand, and how long the rest may take', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox } = memoryPlace();
      const seen: RunAllEvent[] = [];
      const source = [job(10), ['nobody'], job(10)];
      runAll(source, { sandbox, concurrency: 1 }).subscribe((event) => seen.push(event));
      expectObservable(NEVER, '50ms !').toBe('-');
      flush();
      const progress = seen.map((event) => {
        const { total, running, finished, failed, elapsedMs, remainingMs } = event.progress;
        return [event.type, total, running, finished, failed, elapsedMs, remainingMs];
      });
      expect(progress).toEqual([
        ['started', 3, 1, 0, 0, 0, undefined],
        ['finished', 3, 0, 1, 0, 10, 20],
        ['started', 3, 1, 1, 0, 10, 20],
        ['failed', 3, 0, 1, 1, 10, 5],
        ['started', 3, 1, 1, 1, 10, 5],
        ['finished', 3, 0, 2, 1, 20, 0],
      ]);
    });
  });

  it('no total before the source has ended', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const { sandbox } = memoryPlace();
      const totals: (number | undefined)[] = [];
      const source = cold('b---b--|', commands);
      runAll(source, { sandbox }).subscribe(({ progress }) => totals.push(progress.total));
      expectObservable(NEVER, '50ms !').toBe('-');
      flush();
      expect(totals).toEqual([undefined, undefined, 2, 2]);
    });
  });
});

describe('runAll, each in a sandbox of its own', () => {
  it('makes them and deletes them', async () => {
    const { client, backend, sandbox } = memoryPlace();
    const seen: RunAllEvent[] = [];
    const options = { client, spec: { tags: ['one'] }, concurrency: 2 };
    await runAll([job(1), job(1), job(1)], options).forEach((event) => seen.push(event));
    expect(new Set(backend.runs.map(({ sandboxId }) => sandboxId)).size).toBe(3);
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
    expect(seen.filter(({ type }) => type === 'finished')).toHaveLength(3);
  });

  it('deletes them when it is unsubscribed', async () => {
    const { client, sandbox } = memoryPlace();
    runAll([job(1000), job(1000)], { client })
      .subscribe()
      .unsubscribe();
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
  });

  it('tells the result of a command whose sandbox could not be deleted, and runs it once', async () => {
    const { client, backend } = memoryPlace();
    backend.delete = () =>
      throwError(() => new SandboxError('ERR_REMOTE', 'busy', { retryable: true }));
    const all$ = runAll([job(0)], { client, retry: {} }).pipe(brief(), toArray());
    expect(await lastValueFrom(all$)).toEqual(['start 0', 'exit 0: 0']);
    expect(backend.runs).toHaveLength(1);
  });

  it('tells the result of a command whose sandbox is being deleted when all are ended', () => {
    marbles(({ expectObservable }) => {
      const client = new SandboxClient(slowBackend(memoryPlace().backend, 10));
      const options = { client, stopOnError: true };
      expectObservable(runAll([job(15), ['nobody']], options).pipe(brief())).toBe(
        '10ms (st) 16ms (Xw#)',
        { ...told, X: 'failed 1: ERR_NOT_STARTED' },
        expect.objectContaining({ code: 'ERR_NOT_STARTED' }),
      );
    });
  });

  it('tells a sandbox that could not be made', () => {
    const { client } = memoryPlace();
    const spec = { id: 'only-one' };
    const { seen } = record(runAll([job(0), job(0)], { client, spec }).pipe(brief()));
    expect(seen).toEqual(['start 0', 'failed 1: ERR_VALIDATION']);
  });
});

describe('runAll refuses at once', () => {
  const { sandbox, client } = memoryPlace();

  it.each<unknown>([
    undefined,
    {},
    { sandbox, client },
    { sandbox: 5 },
    { sandbox, concurrency: 0 },
    { sandbox, ordered: 'yes' },
    { sandbox, maxHeld: 0 },
    { sandbox, stopOnError: 1 },
    { sandbox, output: 'all' },
    { sandbox, totalTimeoutMs: 0 },
    { sandbox, timeoutMs: -1 },
    { sandbox, id: 'one' },
    { sandbox, signal: new AbortController().signal },
    { sandbox, stdin: true },
    { sandbox, retry: 2 },
    { sandbox, retry: { count: -1 } },
    { sandbox, retry: { when: 'always' } },
    { sandbox, retry: { delayMs: 0.5 } },
    { client, spec: { tags: 'one' } },
  ])('options %#', (options) => {
    expect(() => runAll([], options as RunAllOptions)).toThrow(SandboxValidationError);
  });

  it.each([undefined, 5, 'ls', {}])('%p for commands', (source) => {
    expect(() => runAll(source as unknown as string[][], { sandbox })).toThrow(
      SandboxValidationError,
    );
  });
});
