import { describe, expect, it } from '@jest/globals';
import { from, map, take } from 'rxjs';
import {
  check,
  SandboxExecutionError,
  SandboxValidationError,
  toResult,
  type ProcessEvent,
  type ProcessResult,
  type ResultConfig,
} from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';

const o: ProcessEvent = { type: 'stdout', data: bytes('out'), offset: 0 };
const e: ProcessEvent = { type: 'stderr', data: bytes('err'), offset: 0 };
const p: ProcessEvent = { type: 'stdout', data: bytes('put'), offset: 3 };
const x: ProcessEvent = { type: 'exit', returncode: 0 };
const f: ProcessEvent = { type: 'exit', returncode: 3 };
const events = { o, e, p, x, f };
const plain = map(({ stdout, stderr, returncode }: ProcessResult) => ({
  stdout,
  stderr,
  returncode,
}));
const lost = expect.objectContaining({ code: 'ERR_CONNECTION_LOST' });

/** Standard output without end; counts how often it was asked. */
function endless(): { readonly source: Iterable<ProcessEvent>; asked(): number } {
  let asked = 0;
  function* source(): Generator<ProcessEvent> {
    for (; ; asked++) {
      if (asked > 1000) throw new Error('it was not stopped');
      yield { type: 'stdout', data: bytes('abc'), offset: asked * 3 };
    }
  }
  return { source: source(), asked: () => asked };
}

describe('toResult', () => {
  it('emits the one result when the run exits', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--e--p--(x|)', events);
      const subscribed = ' ^----------!   ';
      const expected = '   -----------(r|)';

      expectObservable(source.pipe(toResult(), plain)).toBe(expected, {
        r: { stdout: 'output', stderr: 'err', returncode: 0 },
      });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('takes an exit status other than 0 for a value', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-(f|)', events).pipe(toResult(), plain)).toBe('-(r|)', {
        r: { stdout: '', stderr: '', returncode: 3 },
      });
    });
  });

  it('errors with the error of the run', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-o-#', events);
      expectObservable(source.pipe(toResult())).toBe('---#');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('errors when the run completes without an exit: nothing is made up', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-o-|', events).pipe(toResult())).toBe('---#', {}, lost);
      expectObservable(cold<ProcessEvent>('|').pipe(toResult())).toBe('#', {}, lost);
    });
  });

  it('waits for ever on a run that never ends, and unsubscribes from it when it is unsubscribed', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-o---', events);
      expectObservable(source.pipe(toResult()), '---!').toBe('----');
      expectSubscriptions(source.subscriptions).toBe('    ^--!');
    });
  });

  it('runs the command again for each subscription', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-o-(x|)', events);
      const result$ = source.pipe(toResult(), plain);
      const r = { stdout: 'out', stderr: '', returncode: 0 };
      expectObservable(result$).toBe('        ---(r|)', { r });
      expectObservable(result$, '--^').toBe(' -----(r|)', { r });
      expectSubscriptions(source.subscriptions).toBe(['^--!', '--^--!']);
    });
  });

  it('takes a synchronous run', () => {
    const seen: ProcessResult[] = [];
    from([o, x])
      .pipe(toResult())
      .subscribe((result) => seen.push(result));
    expect(seen.map(({ stdout }) => stdout)).toEqual(['out']);
  });

  it('uses its options', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('-op(f|)', events);
      expectObservable(
        source.pipe(
          toResult({ command: ['ls', '-l'], encoding: 'utf-16le', retainBytes: 4 }),
          map(({ command, stdout, stdoutTruncated, stdoutTotalBytes }) => ({
            command,
            length: stdout.length,
            stdoutTruncated,
            stdoutTotalBytes,
          })),
        ),
      ).toBe('---(r|)', {
        r: { command: ['ls', '-l'], length: 2, stdoutTruncated: true, stdoutTotalBytes: 6 },
      });
      const refused = expect.objectContaining({ reason: 'exit_status' });
      expectObservable(source.pipe(toResult({ check: true }))).toBe('---#', {}, refused);
    });
  });

  it("stops an endless synchronous run that outgrew its limit, with overflow: 'fail'", () => {
    const { source, asked } = endless();
    let error: unknown;
    from(source)
      .pipe(toResult({ overflow: 'fail', retainBytes: 10 }))
      .subscribe({ error: (thrown: unknown) => (error = thrown) });
    expect(error).toMatchObject({ code: 'ERR_OUTPUT_LIMIT' });
    expect(asked()).toBe(3);
  });
});

describe('check', () => {
  it('passes on the events of a run that succeeds', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--e--(x|)', events);
      const subscribed = ' ^-------!   ';
      expectObservable(source.pipe(check())).toBe('--o--e--(x|)', events);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('errors after the exit of a run that does not', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--(f|)', events);
      const subscribed = ' ^----!   ';
      const refused = expect.objectContaining({ code: 'ERR_EXIT_STATUS', reason: 'exit_status' });
      expectObservable(source.pipe(check())).toBe('--o--(f#)', events, refused);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('puts the whole result into its error', () => {
    let error: unknown;
    from([o, e, f])
      .pipe(check({ command: ['make'] }))
      .subscribe({ error: (thrown: unknown) => (error = thrown) });
    expect(error).toBeInstanceOf(SandboxExecutionError);
    const { result, message } = error as SandboxExecutionError;
    expect(result).toMatchObject({
      command: ['make'],
      returncode: 3,
      stdout: 'out',
      stderr: 'err',
    });
    expect(message).toBe('make did not succeed: exit status 3\nerr');
  });

  it('passes the error of the run on, and makes one of a run that completes without an exit', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-o-#', events).pipe(check())).toBe('-o-#', events);
      expectObservable(cold('-o-|', events).pipe(check())).toBe('-o-#', events, lost);
    });
  });

  it('unsubscribes from the run when it is unsubscribed', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-o-e-(x|)', events);
      expectObservable(source.pipe(check()), '--!').toBe('-o-', events);
      expectObservable(source.pipe(check(), take(2))).toBe('-o-(e|)', events);
      expectSubscriptions(source.subscriptions).toBe(['^-!', '^--!']);
    });
  });

  it('runs the command again for each subscription', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-o(x|)', events);
      const checked$ = source.pipe(check());
      expectObservable(checked$).toBe('       -o(x|)', events);
      expectObservable(checked$, '---^').toBe('----o(x|)', events);
      expectSubscriptions(source.subscriptions).toBe(['^-!', '---^-!']);
    });
  });

  it('stops an endless synchronous run as soon as its consumer has enough', () => {
    const { source, asked } = endless();
    const seen: ProcessEvent[] = [];
    from(source)
      .pipe(check(), take(2))
      .subscribe((event) => seen.push(event));
    expect(seen.map((event) => event.type === 'stdout' && event.offset)).toEqual([0, 3]);
    expect(asked()).toBe(1);
  });

  it('passes on every byte of a synchronous run, also those that it does not retain', () => {
    const seen: ProcessEvent[] = [];
    from([o, p, x])
      .pipe(check({ retainBytes: 1 }))
      .subscribe((event) => seen.push(event));
    expect(seen).toEqual([o, p, x]);
  });
});

describe.each([
  ['toResult', toResult],
  ['check', check],
])('%s', (_name, operator) => {
  it.each([
    null,
    5,
    { command: [] },
    { command: 'ls' },
    { command: ['a\0'] },
    { encoding: 'no-such-encoding' },
    { retainBytes: -1 },
    { retainBytes: '1' },
    { overflow: 'dropNewest' },
    { scheduler: 5 },
  ])('throws at once for %p', (config) => {
    expect(() => operator(config as ResultConfig)).toThrow(SandboxValidationError);
  });
});

it('toResult throws at once for check: 1', () => {
  expect(() => toResult({ check: 1 } as unknown as ResultConfig)).toThrow(SandboxValidationError);
});
