import { describe, expect, it } from '@jest/globals';
import {
  concatMap,
  EMPTY,
  from,
  map,
  NEVER,
  type Observable,
  of,
  Subject,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import { consume, SandboxClient, SandboxValidationError } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { settled, watch } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { pulledFrom } from './kit.js';

describe('consume', () => {
  it('works on one after another, and asks for the next when there is room', () => {
    marbles(({ expectObservable, flush }) => {
      const { source, pulls } = pulledFrom(['a', 'b', 'c']);
      const asked: number[] = [];
      const work = (value: string): Observable<string> => {
        asked.push(pulls());
        return timer(3).pipe(map(() => value.toUpperCase()));
      };
      expectObservable(consume(source, work)).toBe('---A--B--(C|)');
      flush();
      expect(asked).toEqual([1, 2, 3]);
    });
  });

  it('works on as many as concurrency says', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const works = [cold('-----a|'), cold('--b|'), cold('-c|')] as const;
      const result$ = consume(works, (work) => work, { concurrency: 2 });
      expectObservable(result$).toBe('--b-ca|');
      expectSubscriptions(works[2].subscriptions).toBe('---^-!');
    });
  });

  it('completes with an empty source, and with work that gives nothing', () => {
    marbles(({ expectObservable }) => {
      expectObservable(consume([], () => NEVER)).toBe('|');
      expectObservable(consume([1, 2], () => EMPTY)).toBe('|');
    });
  });

  it('numbers what it works on, and works through a synchronous source without growing the stack', () => {
    const seen = watch(consume(Array.from({ length: 100_000 }), (_, index) => of(index)));
    expect(seen.values).toHaveLength(100_000);
    expect(seen.values.at(-1)).toBe(99_999);
    expect(seen.end).toBe('complete');
  });

  it.each([
    ['that errors', (): Observable<never> => throwError(() => new Error('torn'))],
    [
      'that throws',
      (): never => {
        throw new Error('torn');
      },
    ],
  ])('closes the source on work %s', (_name, project) => {
    const { source, isClosed, pulls } = pulledFrom([1, 2, 3]);
    const seen = watch(consume(source, project));
    expect(seen.end).toMatchObject({ error: { message: 'torn' } });
    expect([isClosed(), pulls()]).toEqual([true, 1]);
  });

  it('closes the source and leaves its work when it is unsubscribed, and when its consumer has enough', () => {
    const work: Subject<number> = new Subject();
    const left = pulledFrom([1, 2, 3]);
    watch(consume(left.source, () => work)).unsubscribe();
    expect([left.isClosed(), work.observed, left.pulls()]).toEqual([true, false, 1]);
    const enough = pulledFrom([1, 2, 3]);
    const seen = watch(consume(enough.source, (n) => of(n)).pipe(take(2)));
    expect(seen.values).toEqual([1, 2]);
    expect([enough.isClosed(), enough.pulls()]).toEqual([true, 2]);
  });

  it('does not work on what a source gives after it has been left meanwhile, and closes it', () => {
    const stop$: Subject<void> = new Subject();
    let isClosed = false;
    function* stopping(): Generator<number> {
      try {
        yield 1;
        stop$.next();
        yield 2;
      } finally {
        isClosed = true;
      }
    }
    const worked: number[] = [];
    const work = (n: number): Observable<number> => of(worked.push(n));
    const seen = watch(consume(stopping(), work).pipe(takeUntil(stop$)));
    expect([seen.end, worked, isClosed]).toEqual(['complete', [1], true]);
  });

  it('fails with what the source throws', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 1;
      await settled();
      throw new Error('torn');
    }
    const seen = watch(consume(broken(), (n) => of(n)));
    while (seen.end === undefined) await settled();
    expect(seen).toMatchObject({ values: [1], end: { error: { message: 'torn' } } });
  });

  it('slows a real process down to its work', async () => {
    await using sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    const process = sandbox.exec(['seq', '1', '100000'], { highWaterMark: 4096 });
    const seen = watch(
      consume(
        process.stdout.lines(),
        async (line) => {
          if (Number(line) % 1000 === 0) await settled();
          return Number(line);
        },
        { concurrency: 4 },
      ),
    );
    while (seen.end === undefined) await settled();
    expect(seen.end).toBe('complete');
    expect(seen.values.reduce((sum, n) => sum + n, 0)).toBe((100_000 * 100_001) / 2);
  });

  it.each([
    ['an Observable', () => consume(of(1) as never, (n) => of(n))],
    ['a Promise', () => consume(Promise.resolve(1) as never, (n) => of(n))],
    ['nothing', () => consume(undefined as never, (n) => of(n))],
    ['no function', () => consume([1], 5 as never)],
    ['no concurrency', () => consume([1], (n) => of(n), { concurrency: 0 })],
  ])('refuses %s at once', (_name, call) => {
    expect(call).toThrow(SandboxValidationError);
  });

  it('gives what RxJS makes of the same with one at a time', () => {
    const project = (n: number): readonly number[] => [n, n * 10];
    const expected = watch(from([1, 2, 3]).pipe(concatMap(project)));
    expect(watch(consume([1, 2, 3], project)).values).toEqual(expected.values);
  });
});
