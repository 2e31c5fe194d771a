import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  concatMap,
  from,
  lastValueFrom,
  map,
  NEVER,
  range,
  Subject,
  take,
  tap,
  toArray,
} from 'rxjs';
import {
  lines,
  mapThrough,
  OutputLimitError,
  SandboxClient,
  type SandboxError,
  SandboxValidationError,
  type Sandbox,
} from 'sandbox-rx';
import {
  delay,
  err,
  exit,
  memoryBackend,
  out,
  type MemoryBackend,
  type Program,
  type ProgramStep,
} from 'sandbox-rx/testing';
import { settled, watch } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { SlowInput } from '../support/slow-input.js';
import { subscribeTooLate } from '../support/too-late.js';
import { answering, fragile, pulledFrom, slow, upper } from './kit.js';

const programs: Readonly<Record<string, Program>> = {
  upper,
  slow,
  fragile,
  /** Ends with success after each answer. */
  once: ({ stdin$ }) =>
    stdin$.pipe(
      lines(),
      take(1),
      concatMap((line) => [out(`${line.toUpperCase()}\n`), exit(0)]),
    ),
  talks: answering((line) => [out(`${line}\n${line}\n`)]),
  says: answering(() => [err('no such luck\n'), exit(9)]),
  half: answering(() => [out('half'), exit(1)]),
  sleep: () => NEVER,
};

describe('mapThrough', () => {
  let backend: MemoryBackend;
  let sandbox: Sandbox;

  beforeEach(async () => {
    backend = memoryBackend({ programs });
    sandbox = await new SandboxClient(backend).create();
  });

  const states = (): string[] => backend.runs.map(({ state }) => state);

  it('answers each value', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('--a--b--c--|');
      const values = { a: 'A', b: 'B', c: 'C' };
      expectObservable(source.pipe(mapThrough(sandbox, ['upper']))).toBe('--a--b--c--|', values);
      expectSubscriptions(source.subscriptions).toBe('^----------!');
      flush();
      expect(states()).toEqual(['exited']);
    });
  });

  it('shares the work among as many processes as there is work for, and keeps the order', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const source = cold('(abc|)');
      const values = { a: 'A', b: 'B', c: 'C' };
      const options = { concurrency: 2, maxInFlight: 1 };
      expectObservable(source.pipe(mapThrough(sandbox, ['slow'], options))).toBe(
        '10ms (ab) 6ms (c|)',
        values,
      );
      flush();
      expect(backend.runs).toHaveLength(2);
    });
  });

  it('holds an answer back until those before it are there', () => {
    marbles(({ cold, expectObservable }) => {
      const timed = memoryBackend({
        programs: { wait: answering((line) => [delay(Number(line)), out(`${line}\n`)]) },
      });
      let box: Sandbox | undefined;
      new SandboxClient(timed).create().result$.subscribe((made) => (box = made));
      const source = cold('(ab|)', { a: '20', b: '5' });
      if (box === undefined) throw new Error('made at once');
      const result$ = source.pipe(mapThrough(box, ['wait'], { concurrency: 2, maxInFlight: 1 }));
      expectObservable(result$).toBe('20ms (ab|)', { a: '20', b: '5' });
    });
  });

  it('starts no process for an empty source, nor for one that never emits', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const [empty, never] = [cold('---|'), cold('---')];
      expectObservable(empty.pipe(mapThrough(sandbox, ['upper']))).toBe('---|');
      expectObservable(never.pipe(mapThrough(sandbox, ['upper'])), '------!').toBe('---');
      expectSubscriptions(never.subscriptions).toBe('^-----!');
      flush();
      expect(backend.runs).toEqual([]);
    });
  });

  it('passes on the error of the source, and kills the processes', () => {
    marbles(({ cold, expectObservable, flush }) => {
      expectObservable(cold('-a-#').pipe(mapThrough(sandbox, ['slow']))).toBe('---#');
      flush();
      expect(states()).toEqual(['cancelled']);
    });
  });

  it('kills the processes when it is unsubscribed, and when its consumer has enough', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('-a-b-c-|');
      const result$ = source.pipe(mapThrough(sandbox, ['upper'], { concurrency: 2 }));
      expectObservable(result$, '--!').toBe('-a', { a: 'A' });
      expectObservable(result$.pipe(take(2))).toBe('-a-(b|)', { a: 'A', b: 'B' });
      expectSubscriptions(source.subscriptions).toBe(['^-!', '^--!']);
      flush();
      expect(new Set(states())).toEqual(new Set(['cancelled']));
    });
  });

  it('does not subscribe to its source for a consumer that has left before', () => {
    const source: Subject<string> = new Subject();
    subscribeTooLate(source.pipe(mapThrough(sandbox, ['upper'])));
    expect(source.observed).toBe(false);
  });

  it('works anew for each subscription', () => {
    marbles(({ cold, expectObservable }) => {
      const result$ = cold('-a|').pipe(mapThrough(sandbox, ['upper']));
      expectObservable(result$).toBe('-a|', { a: 'A' });
      expectObservable(result$, '---^').toBe('----a|', { a: 'A' });
    });
  });

  it('answers everything of a synchronous source, by the hundred thousand', async () => {
    const source = range(0, 100_000);
    backend = memoryBackend({
      programs: { echo: ({ stdin$ }) => stdin$.pipe(concatMap((data) => [out(data)])) },
    });
    sandbox = await new SandboxClient(backend).create();
    const mapped = mapThrough<number, number>(sandbox, ['echo'], {
      framing: 'ndjson',
      concurrency: 3,
    });
    const answers = await lastValueFrom(mapped(source).pipe(toArray()));
    expect(answers).toEqual(Array.from({ length: 100_000 }, (_, n) => n));
  });

  describe('a process that ends', () => {
    it('is replaced; what it had not answered goes to the next one', async () => {
      const seen = await lastValueFrom(
        mapThrough(sandbox, ['once'])(['a', 'b', 'c', 'd']).pipe(toArray()),
      );
      expect(seen).toEqual(['A', 'B', 'C', 'D']);
      expect(backend.runs).toHaveLength(4);
    });

    it('is replaced when it ends while it is being written to', async () => {
      const deadly = new Set(['1', '6']);
      const mortal = answering((line) => [deadly.delete(line) ? exit(3) : out(`${line}!\n`)]);
      const box = await new SandboxClient(memoryBackend({ programs: { mortal } })).create();
      const requests = Array.from({ length: 11 }, (_, n) => String(n));
      const mapped = mapThrough(box, ['mortal'], { concurrency: 2, maxInFlight: 2 });
      const seen = await lastValueFrom(mapped(requests).pipe(toArray()));
      expect(seen).toEqual(requests.map((request) => `${request}!`));
    });

    it('fails the result when a request has outlived as many as retries allow', async () => {
      const seen = watch(mapThrough(sandbox, ['says'], { retries: 2 })(['a', 'b']));
      while (seen.end === undefined) await settled();
      const { error } = seen.end as { error: SandboxError };
      expect(error).toMatchObject({ code: 'ERR_BAD_ANSWER' });
      expect(error.message).toBe(
        'says ended without an answer to a request, 3 times: exit status 9\nno such luck',
      );
      expect(backend.runs).toHaveLength(3);
    });

    it('has the request answered by onLost, and the others by a process', async () => {
      const lost: string[] = [];
      const onLost = ({ code }: SandboxError, request: string): string => {
        lost.push(request);
        return code;
      };
      const mapped = mapThrough(sandbox, ['fragile'], { onLost, retries: 0, concurrency: 2 });
      const seen = await lastValueFrom(mapped(['a', '!', 'b', '!', 'c']).pipe(toArray()));
      expect(seen).toEqual(['A', 'ERR_BAD_ANSWER', 'B', 'ERR_BAD_ANSWER', 'C']);
      expect(lost).toEqual(['!', '!']);
    });

    it('fails the result with what onLost throws', async () => {
      const torn = new Error('torn');
      const onLost = (): never => {
        throw torn;
      };
      const seen = watch(mapThrough(sandbox, ['fragile'], { onLost })(['!']));
      while (seen.end === undefined) await settled();
      expect(seen.end).toEqual({ error: torn });
    });

    it('does not count half a line as an answer', async () => {
      const seen = watch(mapThrough(sandbox, ['half'], { onLost: () => 'lost' })(['a']));
      while (seen.end === undefined) await settled();
      expect(seen.values).toEqual(['lost']);
    });
  });

  it('fails on an answer that nobody asked for', async () => {
    const seen = watch(mapThrough(sandbox, ['talks'])(['a']));
    while (seen.end === undefined) await settled();
    expect(seen.end).toMatchObject({ error: { code: 'ERR_BAD_ANSWER' } });
  });

  it('fails where no process can be started, without trying again', () => {
    const seen = watch(mapThrough(sandbox, ['absent'], { retries: 5 })(['a']));
    expect(seen.end).toMatchObject({ error: { code: 'ERR_NOT_STARTED' } });
    expect(backend.runs).toHaveLength(1);
  });

  it('makes a source that can wait do so, by bytes and by requests', async () => {
    const input = new SlowInput();
    const byBytes = pulledFrom(Array.from({ length: 1000 }, () => 'x'.repeat(99)));
    const box = await input.sandbox();
    const first = watch(mapThrough(box, ['slow'], { bufferBytes: 1000 })(byBytes.source));
    expect(byBytes.pulls()).toBe(10);
    first.unsubscribe();
    expect(byBytes.isClosed()).toBe(true);
    const byNumber = pulledFrom(Array.from({ length: 1000 }, () => 'x'));
    const options = { maxInFlight: 3, concurrency: 2 };
    watch(mapThrough(box, ['slow'], options)(byNumber.source)).unsubscribe();
    expect(byNumber.pulls()).toBe(6);
  });

  it('writes many requests at a time, though they are answered one by one', async () => {
    let writes = 0;
    const counted: Program = ({ stdin$ }) =>
      stdin$.pipe(
        tap(() => writes++),
        lines(),
        map((line) => out(`${line}\n`)),
      );
    const box = await new SandboxClient(memoryBackend({ programs: { counted } })).create();
    const requests = Array.from({ length: 10_000 }, (_, index) => `${index}`);
    const answers$ = mapThrough(box, ['counted'], { maxInFlight: 100 })(requests);
    expect(await lastValueFrom(answers$.pipe(toArray()))).toEqual(requests);
    expect(writes).toBeLessThan(10_000 / 25);
  });

  it('cannot make an Observable wait: what it has too much of fails, or is dropped and not answered', async () => {
    const source: Subject<string> = new Subject();
    const failing = watch(source.pipe(mapThrough(sandbox, ['sleep'], { bufferBytes: 4 })));
    const dropped: number[] = [];
    const options = { bufferBytes: 4, maxInFlight: 1, overflow: 'dropOldest' } as const;
    const onDrop = (count: number): void => void dropped.push(count);
    const dropping = watch(source.pipe(mapThrough(sandbox, ['slow'], { ...options, onDrop })));
    for (const value of ['a', 'b', 'c', 'd']) source.next(value);
    expect(failing.end).toMatchObject({ error: expect.any(OutputLimitError) });
    source.complete();
    while (dropping.end === undefined) await settled();
    expect(dropping.values).toEqual(['A', 'D']);
    expect(dropped).toEqual([1, 1]);
  });

  it('answers each request exactly once and in order, however its processes end', async () => {
    /** After how many answers each process ends, and how it does. */
    const lives = fc.array(fc.record({ answers: fc.nat(4), status: fc.nat(3), pause: fc.nat(2) }), {
      maxLength: 12,
    });
    const parameters = fc.record({
      count: fc.nat(30),
      concurrency: fc.integer({ min: 1, max: 4 }),
      maxInFlight: fc.integer({ min: 1, max: 5 }),
      pushed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        lives,
        parameters,
        async (ends, { count, concurrency, maxInFlight, pushed }) => {
          let started = 0;
          const mortal: Program = ({ stdin$ }) => {
            const life = ends[started++];
            let answered = 0;
            const answer = (line: string): ProgramStep[] => {
              if (life !== undefined && answered++ >= life.answers) return [exit(life.status)];
              return [...(life === undefined ? [] : [delay(life.pause)]), out(`${line}!\n`)];
            };
            return stdin$.pipe(lines(), concatMap(answer));
          };
          const client = new SandboxClient(memoryBackend({ programs: { mortal } }));
          const requests = Array.from({ length: count }, (_, n) => String(n));
          const mapped = mapThrough(await client.create(), ['mortal'], {
            concurrency,
            maxInFlight,
            retries: ends.length,
          });
          const result$ = mapped(pushed ? from(requests) : requests);
          const answers = await lastValueFrom(result$.pipe(toArray()));
          expect(answers).toEqual(requests.map((request) => `${request}!`));
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each([
    ['a framing that does not tell', () => mapThrough(sandbox, ['a'], { framing: 'raw' } as never)],
    ['no process', () => mapThrough(sandbox, ['a'], { concurrency: 0 })],
    ['nothing in flight', () => mapThrough(sandbox, ['a'], { maxInFlight: 0 })],
    ['fewer than no retries', () => mapThrough(sandbox, ['a'], { retries: -1 })],
    ['no function', () => mapThrough(sandbox, ['a'], { onLost: 5 } as never)],
    ['no command', () => mapThrough(sandbox, [])],
  ])('throws at once for %s', (_name, call) => {
    expect(call).toThrow(SandboxValidationError);
  });
});
