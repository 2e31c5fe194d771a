import { describe, expect, it } from '@jest/globals';
import { from, of, take, type OperatorFunction } from 'rxjs';
import { marbles } from '../support/marbles.js';

interface OperatorSample<In, Out> {
  /** A value that makes the operator emit at once, and what it emits. */
  readonly value: In;
  readonly emitted: Out;
}

/** What holds for every operator that passes completion and errors on: values, time and subscriptions. */
export function itObeysTheOperatorLaws<In, Out>(
  operator: () => OperatorFunction<In, Out>,
  { value, emitted }: OperatorSample<In, Out>,
): void {
  const values = { a: value };
  const results = { a: emitted };

  describe('as an operator', () => {
    it('stays silent on a source that never emits', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold<In>('-----');
        const subscribed = '     ^----';

        expectObservable(source.pipe(operator())).toBe('-----');
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('completes with an empty source', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold<In>('---|');
        const subscribed = '     ^--!';

        expectObservable(source.pipe(operator())).toBe('---|');
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('emits for a single value and completes', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--|', values);
        const subscribed = ' ^----!';

        expectObservable(source.pipe(operator())).toBe('--a--|', results);
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('passes the error of the source on', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--#', values);
        const subscribed = ' ^----!';

        expectObservable(source.pipe(operator())).toBe('--a--#', results);
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('unsubscribes from the source when it is unsubscribed', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--a--a--|', values);
        const unsubscribe = '------!';
        const subscribed = ' ^-----!';

        expectObservable(source.pipe(operator()), unsubscribe).toBe('--a--a-', results);
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('unsubscribes from the source when its consumer has enough', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--a--a--|', values);
        const subscribed = ' ^----!';

        expectObservable(source.pipe(operator(), take(2))).toBe('--a--(a|)', results);
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it('subscribes to the source once for each subscription, and keeps no state between them', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--|  ', values);
        const second = '     ---^    ';
        const result$ = source.pipe(operator());

        expectObservable(result$).toBe('         --a--|', results);
        expectObservable(result$, second).toBe(' -----a--|', results);
        expectSubscriptions(source.subscriptions).toBe(['^----!', '---^----!']);
      });
    });

    it('emits everything of a synchronous source', () => {
      const seen: Out[] = [];
      of(value, value)
        .pipe(operator())
        .subscribe((result) => seen.push(result));
      expect(seen).toEqual([emitted, emitted]);
    });

    it('stops an endless synchronous source as soon as its consumer has enough', () => {
      let asked = 0;
      function* endless(): Generator<In> {
        for (;;) {
          asked++;
          if (asked > 1000) throw new Error('it was not stopped');
          yield value;
        }
      }
      const seen: Out[] = [];
      from(endless())
        .pipe(operator(), take(1))
        .subscribe((result) => seen.push(result));
      expect(seen).toEqual([emitted]);
      expect(asked).toBe(1);
    });
  });
}
