import { describe, expect, it } from '@jest/globals';
import { EMPTY, map } from 'rxjs';
import { runAll, toResults, toSummary, type ProcessResult, type RunAllEvent } from 'sandbox-rx';
import { itObeysTheOperatorLaws } from '../operators/operator-laws.js';
import { marbles } from '../support/marbles.js';
import { job, memoryPlace, record } from './fleet-kit.js';

const statuses = map(({ returncode }: ProcessResult) => returncode);

function finishedEvent(): RunAllEvent & { type: 'finished' } {
  const { sandbox } = memoryPlace({ ok: [] });
  let finished: RunAllEvent | undefined;
  marbles(({ flush }) => {
    runAll([job(0)], { sandbox }).subscribe((event) => (finished = event));
    flush();
  });
  if (finished?.type !== 'finished') throw new Error('it did not finish');
  return finished;
}

describe('toResults', () => {
  it('emits the results, whatever their exit status', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const all$ = runAll([job(20), job(10, 3)], { sandbox });
      expectObservable(all$.pipe(toResults(), statuses)).toBe('10ms b 9ms (a|)', { a: 0, b: 3 });
    });
  });

  it('errors with the first failure, and ends the others', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const all$ = runAll([job(20), job(10, 3)], { sandbox, check: true });
      const refused = expect.objectContaining({ code: 'ERR_EXIT_STATUS' });
      expectObservable(all$.pipe(toResults(), statuses)).toBe('10ms #', {}, refused);
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled', 'exited']);
    });
  });

  const event = finishedEvent();
  itObeysTheOperatorLaws(toResults, { value: event, emitted: event.result });
});

describe('toSummary', () => {
  it('says at the end what became of all', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const all$ = runAll([job(20), job(10, 3), ['nobody']], { sandbox });
      expectObservable(all$.pipe(toSummary())).toBe('20ms (r|)', {
        r: {
          ...{ finished: 2, succeeded: 1, failed: 1, retried: 0, elapsedMs: 20 },
          failures: [expect.objectContaining({ index: 2, command: ['nobody'] })],
        },
      });
    });
  });

  it('says it before the error too', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace();
      const options = { sandbox, check: true, stopOnError: true };
      const all$ = runAll([job(20), job(10, 3)], options);
      const counts = map(({ failures }: { failures: readonly unknown[] }) => failures.length);
      expectObservable(all$.pipe(toSummary(), counts)).toBe(
        '10ms (2#)',
        { 2: 2 },
        expect.objectContaining({ code: 'ERR_EXIT_STATUS' }),
      );
    });
  });

  it('counts nothing of nothing', () => {
    expect(record(EMPTY.pipe(toSummary()))).toEqual({
      seen: [{ finished: 0, succeeded: 0, failed: 0, retried: 0, elapsedMs: 0, failures: [] }],
      end: 'complete',
    });
  });

  it('leaves when it is unsubscribed, and counts anew for each subscription', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const finished$ = runAll([job(10)], { sandbox }).pipe(
        toSummary(),
        map(({ finished }) => finished),
      );
      expectObservable(finished$, '5ms !').toBe('------');
      expectObservable(finished$).toBe('10ms (a|)', { a: 1 });
      expectObservable(finished$, '3ms ^').toBe('13ms (a|)', { a: 1 });
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled', 'exited', 'exited']);
    });
  });
});
