import { describe, it } from '@jest/globals';
import { map, mergeMap, type OperatorFunction } from 'rxjs';
import { groupByStream, type ProcessEvent } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

const text = new TextDecoder();

/** Each chunk with the name of its stream. */
function tagged(): OperatorFunction<ProcessEvent, string> {
  return (source) =>
    source.pipe(
      groupByStream(),
      mergeMap((bytes$) => bytes$.pipe(map((data) => `${bytes$.key} ${text.decode(data)}`))),
    );
}

const out: ProcessEvent = { type: 'stdout', data: bytes('o'), offset: 0 };
const err: ProcessEvent = { type: 'stderr', data: bytes('e'), offset: 0 };

describe('groupByStream', () => {
  itObeysTheOperatorLaws(tagged, { value: out, emitted: 'stdout o' });

  it('makes one Observable of the bytes of each stream, when its first come', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values: Record<string, ProcessEvent> = {
        o: out,
        e: err,
        x: { type: 'exit', returncode: 0 },
      };
      const source = cold('--o--e--o--(x|)', values);
      expectObservable(
        source.pipe(
          groupByStream(),
          map(({ key }) => key),
        ),
      ).toBe('--S--T-----|', {
        S: 'stdout',
        T: 'stderr',
      });
      expectObservable(source.pipe(tagged())).toBe('--o--e--o--|', {
        o: 'stdout o',
        e: 'stderr e',
      });
      expectSubscriptions(source.subscriptions).toBe(['^----------!', '^----------!']);
    });
  });
});
