import { describe, expect, it } from '@jest/globals';
import { EMPTY, switchMap, take, tap, type Observable } from 'rxjs';
import { DrivenRun, watch, type Seen } from '../support/driven-process.js';

/** Does something at the first value that a stream of the process emits, before anybody else sees it. */
const streams: readonly (readonly [string, (run: DrivenRun) => Observable<unknown>])[] = [
  ['events$', (run: DrivenRun) => run.process.events$],
  ['stdout$', (run: DrivenRun) => run.process.stdout$],
  ['state$', (run: DrivenRun) => run.process.state$],
];

interface All {
  readonly events: Seen<unknown>;
  readonly stdout: Seen<string>;
  readonly states: Seen<string>;
  readonly result: Seen<unknown>;
}

function watchAll({ process }: DrivenRun): All {
  return {
    events: watch(process.events$),
    stdout: watch(process.stdout$),
    states: watch(process.state$),
    result: watch(process.result$),
  };
}

describe.each(streams)('from within a callback of %s', (_name, stream) => {
  const atOnce = (run: DrivenRun, act: () => void): void => {
    let first = true;
    stream(run).subscribe({
      next: (value) => {
        if (!first || value === 'starting') return;
        first = false;
        act();
      },
      error: () => undefined,
    });
  };

  it('cancelling leaves the others what came before, then ends them', () => {
    const run = new DrivenRun();
    const answers: boolean[] = [];
    atOnce(run, () => {
      answers.push(run.process.cancel(), run.process.cancel());
      expect([run.process.state, run.killed]).toEqual(['cancelled', 1]);
    });
    const { events, stdout, states, result } = watchAll(run);
    run.out('a');
    run.out('b');

    expect(answers).toEqual([true, false]);
    const cancelled = { error: expect.objectContaining({ code: 'ERR_CANCELLED' }) };
    expect(stdout).toMatchObject({ values: ['a'], end: 'complete' });
    expect(events.values).toHaveLength(1);
    expect([events.end, result.end]).toEqual([cancelled, cancelled]);
    expect(states).toMatchObject({ values: ['starting', 'running', 'cancelled'], end: 'complete' });
  });

  it('output that the run makes in return comes after what the others have not seen yet', () => {
    const run = new DrivenRun();
    atOnce(run, () => {
      run.out('second ');
      run.err('note');
      run.out('third');
    });
    const { events, stdout } = watchAll(run);
    const stderr = watch(run.process.stderr$);
    run.out('first ');
    run.exit();
    const late = watchAll(run);

    const order = 'first second third';
    expect([stdout.values.join(''), late.stdout.values.join('')]).toEqual([order, order]);
    expect(events.values).toMatchObject([
      { offset: 0 },
      { offset: 6 },
      { type: 'stderr' },
      { offset: 13 },
      { type: 'exit' },
    ]);
    expect(stderr.values).toEqual(['note']);
  });

  it('an exit in return ends everybody after what came before', () => {
    const run = new DrivenRun();
    atOnce(run, () => {
      run.exit(4);
    });
    const { events, stdout, states, result } = watchAll(run);
    run.out('a');
    expect(stdout).toMatchObject({ values: ['a'], end: 'complete' });
    expect(events.values).toMatchObject([{ type: 'stdout' }, { type: 'exit', returncode: 4 }]);
    expect(states).toMatchObject({ values: ['starting', 'running', 'exited'], end: 'complete' });
    expect(result.values).toHaveLength(1);
  });

  it('a new subscriber gets every byte once', () => {
    const run = new DrivenRun();
    let inside: All | undefined;
    atOnce(run, () => {
      inside = watchAll(run);
    });
    const outside = watchAll(run);
    run.out('a');
    run.out('b');
    run.exit();
    for (const { events, stdout } of [outside, inside ?? watchAll(run)]) {
      expect(stdout).toMatchObject({ values: expect.anything(), end: 'complete' });
      expect(stdout.values.join('')).toBe('ab');
      expect(events.values).toHaveLength(3);
    }
  });

  it('leaving, and leaving others, disturbs nobody who stays', () => {
    const run = new DrivenRun();
    const leaving: All[] = [];
    atOnce(run, () => {
      for (const { events, stdout, states, result } of leaving) {
        for (const seen of [events, stdout, states, result]) seen.unsubscribe();
      }
    });
    stream(run).pipe(take(1)).subscribe();
    leaving.push(watchAll(run));
    const staying = watchAll(run);
    run.out('a');
    run.out('b');
    run.exit();
    expect(leaving[0]?.stdout.values.join('')).not.toContain('b');
    expect(staying.stdout.values.join('')).toBe('ab');
    expect(staying.events.values).toHaveLength(3);
    expect(staying.result.end).toBe('complete');
  });
});

describe('from within the callback that learns of the end', () => {
  it('everything says how it ended', () => {
    const run = new DrivenRun();
    let inside: All | undefined;
    run.process.events$.subscribe((event) => {
      if (event.type !== 'exit') return;
      expect([run.process.state, run.process.returncode]).toEqual(['exited', 6]);
      expect(run.process.cancel()).toBe(false);
      inside = watchAll(run);
    });
    run.out('a');
    run.exit(6);
    expect(inside?.states).toMatchObject({ values: ['exited'], end: 'complete' });
    expect(inside?.stdout).toMatchObject({ values: ['a'], end: 'complete' });
    expect(inside?.events.values).toHaveLength(2);
    expect(inside?.result).toMatchObject({ values: [{ returncode: 6 }], end: 'complete' });
  });

  it('another process can be started and another one ended', () => {
    const first = new DrivenRun();
    const second = new DrivenRun();
    first.process.result$
      .pipe(switchMap(() => (second.process.cancel() ? EMPTY : EMPTY)))
      .subscribe();
    first.exit();
    expect(second.process.state).toBe('cancelled');
  });
});

describe('a late subscriber that makes the run go on while it is given what is retained', () => {
  it('gets every byte once, in order', () => {
    const run = new DrivenRun();
    run.out('a');
    run.err('.');
    run.out('b');
    const early = watch(run.process.stdout$);
    const text: string[] = [];
    run.process.stdout$.subscribe((chunk) => {
      text.push(chunk);
      if (text.length === 1) run.out('c');
    });
    const offsets: number[] = [];
    run.process.events$.subscribe((event) => {
      if (event.type !== 'stdout') return;
      offsets.push(event.offset);
      if (offsets.length === 1) run.out('d');
    });
    run.exit();
    expect([text.join(''), early.values.join('')]).toEqual(['abcd', 'abcd']);
    expect(offsets[0]).toBe(0);
    expect([...offsets].sort()).toEqual(offsets);
  });
});

describe('a late subscriber that ends the run while it is told the state', () => {
  it.each([
    ['cancelled', (run: DrivenRun) => run.process.cancel()],
    ['exited', (run: DrivenRun) => run.exit()],
    ['failed', (run: DrivenRun) => run.fail()],
  ])('is told that it is %s too', (state, end) => {
    const run = new DrivenRun();
    run.out('a');
    const states = watch(
      run.process.state$.pipe(
        tap((told) => {
          if (told === 'running') end(run);
        }),
      ),
    );
    expect(states).toMatchObject({ values: ['running', state], end: 'complete' });
  });

  it('is told of all that follows on being told that it starts', () => {
    const run = new DrivenRun();
    const states = watch(
      run.process.state$.pipe(
        tap((told) => {
          if (told === 'starting') run.out('a');
        }),
      ),
    );
    run.exit();
    expect(states).toMatchObject({ values: ['starting', 'running', 'exited'], end: 'complete' });
  });
});
