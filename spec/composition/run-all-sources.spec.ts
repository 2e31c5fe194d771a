import { describe, expect, it } from '@jest/globals';
import { from, of, Subject, take, takeUntil, toArray, type ObservableInput } from 'rxjs';
import { runAll, type CommandInput, type RunAllEvent } from 'sandbox-rx';
import { settled } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { subscribeTooLate } from '../support/too-late.js';
import { brief, job, memoryPlace, record } from './fleet-kit.js';

describe('the source of runAll', () => {
  it('may be of any kind', async () => {
    const { sandbox } = memoryPlace();
    async function* generated(): AsyncGenerator<CommandInput> {
      yield* await Promise.resolve([job(0), job(0)]);
    }
    const stream: ReadableStream<CommandInput> = new ReadableStream({
      start: (controller) => {
        controller.enqueue(job(0));
        controller.enqueue(job(0));
        controller.close();
      },
    });
    const sources: (ObservableInput<CommandInput> | ReadableStream<CommandInput>)[] = [
      [job(0), job(0)],
      new Set([job(0), job(0)]),
      of(job(0), job(0)),
      generated(),
      stream,
    ];
    for (const source of sources) {
      const seen: RunAllEvent[] = [];
      await runAll(source, { sandbox }).forEach((event) => seen.push(event));
      const ends = seen.filter(({ type }) => type === 'finished');
      expect(ends.map(({ index }) => index).sort()).toEqual([0, 1]);
    }
    const one: RunAllEvent[] = [];
    await runAll(Promise.resolve(job(0)), { sandbox }).forEach((event) => one.push(event));
    expect(one.map(({ type }) => type)).toEqual(['started', 'finished']);
  });

  it('stops an endless synchronous source as soon as its consumer has enough', () => {
    const { sandbox, backend } = memoryPlace();
    let asked = 0;
    let isClosed = false;
    function* endless(): Generator<CommandInput> {
      try {
        for (; ; asked++) {
          if (asked > 1000) throw new Error('it was not stopped');
          yield job(1);
        }
      } finally {
        isClosed = true;
      }
    }
    for (const source of [endless(), from(endless())]) {
      isClosed = false;
      asked = 0;
      const { seen, end } = record(
        runAll(source, { sandbox, concurrency: 4 }).pipe(brief(), take(2)),
      );
      expect(seen).toEqual(['start 0', 'start 1']);
      expect([end, asked, isClosed]).toEqual(['complete', 1, true]);
    }
    expect(backend.runs.filter(({ state }) => state === 'running')).toEqual([]);
  });

  it('starts nothing that a generator gives after it has ended all itself, and closes it', () => {
    const { sandbox, backend } = memoryPlace();
    const stop$: Subject<void> = new Subject();
    let isClosed = false;
    function* stopping(): Generator<CommandInput> {
      try {
        yield job(0);
        stop$.next();
        yield job(1000);
      } finally {
        isClosed = true;
      }
    }
    const { end } = record(runAll(stopping(), { sandbox }).pipe(takeUntil(stop$)));
    expect([end, isClosed, backend.runs.length]).toEqual(['complete', true, 1]);
  });

  it('lets go of an asynchronous iterable that ends all when it is asked for its iterator', async () => {
    const { sandbox, backend } = memoryPlace();
    const stop$: Subject<void> = new Subject();
    const told: string[] = [];
    const stopping: AsyncIterable<CommandInput> = {
      [Symbol.asyncIterator]: () => {
        stop$.next();
        return {
          next: () => {
            told.push('next');
            return Promise.resolve({ done: false, value: job(0) });
          },
          return: () => {
            told.push('return');
            return Promise.resolve({ done: true, value: undefined });
          },
        };
      },
    };
    expect(record(runAll(stopping, { sandbox }).pipe(takeUntil(stop$))).end).toBe('complete');
    await settled();
    expect([told, backend.runs]).toEqual([['return'], []]);
  });

  it('pulls from an endless iterable only as there is room', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox } = memoryPlace();
      let asked = 0;
      function* endless(): Generator<CommandInput> {
        for (;;) {
          asked++;
          yield job(10);
        }
      }
      const all$ = runAll(endless(), { sandbox, concurrency: 2 });
      expectObservable(all$, '25ms !');
      flush();
      expect(asked).toBe(6);
    });
  });

  it('pulls from an asynchronous iterable only as there is room, and lets go of it', async () => {
    const { sandbox } = memoryPlace();
    let asked = 0;
    let isClosed = false;
    async function* endless(): AsyncGenerator<CommandInput> {
      try {
        for (;;) {
          asked++;
          yield await Promise.resolve(job(1));
        }
      } finally {
        isClosed = true;
      }
    }
    const all$ = runAll(endless(), { sandbox, concurrency: 2 });
    let atEnd = 0;
    await all$.pipe(take(20), toArray()).forEach((events) => {
      const over = events.filter(({ type }) => type === 'finished').length;
      atEnd = asked - over;
    });
    expect(atEnd).toBeLessThanOrEqual(3);
    await Promise.resolve();
    expect(isClosed).toBe(true);
  });

  it('does not subscribe to its source for a consumer that has left before', () => {
    const { sandbox } = memoryPlace();
    const source: Subject<string[]> = new Subject();
    subscribeTooLate(runAll(source, { sandbox }));
    expect(source.observed).toBe(false);
  });
});
