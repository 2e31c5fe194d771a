import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { config, NEVER, Observable, Subject } from 'rxjs';
import { CancelledError, Process, type ProcessEvent, type StatsCallback } from 'sandbox-rx';
import { DrivenRun, outcome, settled, watch, type Seen } from '../support/driven-process.js';

const failure = new Error('the run failed');

interface Ending {
  readonly end: (run: DrivenRun) => void;
  /** How `stdout$` and `stderr$` end; `events$`, `result$` and the readers end with `error`, or complete. */
  readonly chunks: 'complete' | 'error';
  readonly error?: unknown;
  readonly killed: number;
}

/** Every way to end, and what it does to whoever listens: the table of the design. */
const endings: readonly (readonly [string, Ending])[] = [
  ['exits', { end: (run) => run.exit(3), chunks: 'complete', killed: 0 }],
  ['fails', { end: (run) => run.fail(failure), chunks: 'error', error: failure, killed: 0 }],
  [
    'is cancelled',
    {
      end: (run) => run.process.cancel(),
      chunks: 'complete',
      error: expect.any(CancelledError),
      killed: 1,
    },
  ],
  [
    'completes without an exit',
    {
      end: (run) => run.vanish(),
      chunks: 'error',
      error: expect.objectContaining({ code: 'ERR_CONNECTION_LOST' }),
      killed: 0,
    },
  ],
  [
    'is aborted',
    {
      end: (run) => run.fail(new CancelledError('aborted')),
      chunks: 'error',
      error: expect.objectContaining({ code: 'ERR_CANCELLED' }),
      killed: 0,
    },
  ],
];

describe.each(endings)('a process that %s', (_how, { end, chunks, error, killed }) => {
  const events = error === undefined ? 'complete' : { error };
  const text = chunks === 'complete' ? 'complete' : { error };

  const expectEnds = (run: DrivenRun, before?: Record<string, Seen<unknown>>): void => {
    const { process } = run;
    const seen = before ?? {
      events: watch(process.events$),
      stdout: watch(process.stdout$),
      stderr: watch(process.stderr$),
      result: watch(process.result$),
      states: watch(process.state$),
    };
    expect(seen['events']).toMatchObject({ end: events });
    expect(seen['stdout']).toMatchObject({ values: ['out'], end: text });
    expect(seen['stderr']).toMatchObject({ values: ['err'], end: text });
    expect(seen['result']).toMatchObject({ end: events });
    expect(seen['states']).toMatchObject({ end: 'complete' });
  };

  it('ends everything for those who were there', () => {
    const run = new DrivenRun();
    const { process } = run;
    const before = {
      events: watch(process.events$),
      stdout: watch(process.stdout$),
      stderr: watch(process.stderr$),
      result: watch(process.result$),
      states: watch(process.state$),
    };
    run.out('out');
    run.err('err');
    end(run);
    expectEnds(run, before);
  });

  it('ends everything in the same way for those who come later, after what is retained', () => {
    const run = new DrivenRun();
    run.out('out');
    run.err('err');
    end(run);
    expectEnds(run);
    expectEnds(run);
  });

  it('ends its readers after everything that came before, for early and late ones', async () => {
    const run = new DrivenRun();
    const early = run.process.stdout[Symbol.asyncIterator]();
    const first = early.next();
    run.out('out');
    run.err('err');
    expect(await first).toEqual({ done: false, value: 'out' });
    const second = outcome(early.next());
    end(run);
    const late = run.process.stderr[Symbol.asyncIterator]();
    expect(await late.next()).toEqual({ done: false, value: 'err' });
    const done = { value: { done: true, value: undefined } };
    const expected = error === undefined ? done : { error };
    expect([await second, await outcome(late.next())]).toEqual([expected, expected]);
    expect([await early.next(), await late.next()]).toEqual([done.value, done.value]);
  });

  it('cannot be ended again: the first end is the one that is reported', async () => {
    const run = new DrivenRun();
    end(run);
    const state = run.process.state;
    const first = await outcome(run.process.wait());
    expect(run.process.cancel()).toBe(false);
    run.exit(99);
    run.fail(new Error('late'));
    expect(run.process.state).toBe(state);
    expect(await outcome(run.process.wait())).toEqual(first);
    expect(run.killed).toBe(killed);
  });

  it('calls statsCallback exactly once, whoever is or is not listening', () => {
    const statsCallback = jest.fn<StatsCallback>();
    const run = new DrivenRun({ statsCallback });
    run.out('out');
    expect(statsCallback).not.toHaveBeenCalled();
    end(run);
    run.process.cancel();
    run.exit(1);
    expect(statsCallback).toHaveBeenCalledTimes(1);
    const expected =
      error === undefined
        ? [expect.objectContaining({ returncode: 3, stdout: 'out' }), null]
        : [null, error];
    expect(statsCallback.mock.calls[0]).toEqual(expected);
  });

  it('keeps what statsCallback throws away from the run', async () => {
    const stray: unknown[] = [];
    config.onUnhandledError = (thrown) => stray.push(thrown);
    try {
      const oops = new Error('oops');
      const run = new DrivenRun({
        statsCallback: () => {
          throw oops;
        },
      });
      const seen = watch(run.process.result$);
      end(run);
      expect(seen.end).toEqual(events);
      expect(await outcome(run.process.closed)).toEqual({ value: undefined });
      expect(stray).toEqual([oops]);
    } finally {
      config.onUnhandledError = null;
    }
  });

  it('settles closed, and leaves the run unobserved', async () => {
    const run = new DrivenRun();
    end(run);
    await expect(run.process.closed).resolves.toBeUndefined();
    expect([run.observed, run.killed]).toEqual([false, killed]);
  });

  it('sends no unhandled rejection or error to anybody', async () => {
    // Jest fails a test in which a rejection goes unhandled; RxJS tells its hook of errors nobody listens to.
    const stray: unknown[] = [];
    config.onUnhandledError = (error) => stray.push(error);
    try {
      const run = new DrivenRun();
      // Made and left alone: handles, Observables nobody subscribes to, a reader nobody reads.
      const unused: unknown[] = [
        run.process.stdout$,
        run.process.events$,
        run.process.result$,
        run.process.stdout,
        run.process.closed,
      ];
      run.out('out');
      end(run);
      unused.push(run.process.closed, run.process.stderr$);
      await new Promise((resolve) => setTimeout(resolve));
      await settled();
      expect([stray, unused.length]).toEqual([[], 7]);
    } finally {
      config.onUnhandledError = null;
    }
  });
});

describe('cancel', () => {
  it('says whether it ended a live run, and kills it at once', () => {
    const run = new DrivenRun();
    expect(run.process.cancel()).toBe(true);
    expect([run.killed, run.process.state]).toEqual([1, 'cancelled']);
    expect(run.process.cancel()).toBe(false);
    expect(run.killed).toBe(1);
  });

  it('tells everybody also when the teardown of the run throws', () => {
    const source: Observable<ProcessEvent> = new Observable(() => () => {
      throw new Error('teardown');
    });
    const process = new Process(source, ['test']);
    const result = watch(process.result$);
    expect(() => process.cancel()).toThrow('teardown');
    expect(result.end).toEqual({ error: expect.any(CancelledError) });
    expect(process.state).toBe('cancelled');
  });
});

describe('closed', () => {
  it('waits until the backend says that nothing is left, also after the end', async () => {
    let closed = (): void => undefined;
    const connect = (lifecycle: { closed(): void }): void => {
      closed = () => {
        lifecycle.closed();
      };
    };
    const run = new DrivenRun({ controls: { connect } });
    let left = true;
    void run.process.closed.then(() => (left = false));
    run.process.cancel();
    await settled();
    expect(left).toBe(true);
    closed();
    closed();
    await run.process.closed;
    await settled();
    expect(left).toBe(false);
  });

  it('comes after the teardown of the run', async () => {
    const order: string[] = [];
    const source: Observable<ProcessEvent> = new Observable(() => () => order.push('torn down'));
    const process = new Process(source, ['test']);
    const closing = process.closed.then(() => order.push('closed'));
    process.cancel();
    await closing;
    expect(order).toEqual(['torn down', 'closed']);
  });

  it('stays open while the run goes on', async () => {
    let closed = false;
    void new Process(NEVER, ['sleep']).closed.then(() => (closed = true));
    await settled();
    expect(closed).toBe(false);
  });
});

describe('a subscriber that throws', () => {
  let stray: unknown[] = [];
  beforeEach(() => {
    stray = [];
    config.onUnhandledError = (error) => stray.push(error);
  });
  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('does not disturb the others, nor the run', async () => {
    const source: Subject<ProcessEvent> = new Subject();
    const process = new Process(source, ['test']);
    const oops = new Error('oops');
    const fail = (): never => {
      throw oops;
    };
    process.events$.subscribe({ next: fail, complete: fail });
    process.stdout$.subscribe({ next: fail, complete: fail });
    process.state$.subscribe({ next: fail, complete: fail });
    process.result$.subscribe({ next: fail, complete: fail });
    const [events, stdout, states] = [
      watch(process.events$),
      watch(process.stdout$),
      watch(process.state$),
    ];

    source.next({ type: 'stdout', data: Uint8Array.of(65), offset: 0 });
    source.next({ type: 'exit', returncode: 0 });
    source.complete();

    expect(events.values).toHaveLength(2);
    expect(stdout).toMatchObject({ values: ['A'], end: 'complete' });
    expect(states.values).toEqual(['starting', 'running', 'exited']);
    await expect(process.wait()).resolves.toBe(0);
    await new Promise((resolve) => setTimeout(resolve));
    expect(new Set(stray)).toEqual(new Set([oops]));
  });
});
