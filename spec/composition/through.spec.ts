import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { from, map, mergeMap, NEVER, of, Subject, take, throwError } from 'rxjs';
import {
  OutputLimitError,
  SandboxClient,
  SandboxError,
  SandboxExecutionError,
  SandboxValidationError,
  through,
  type Sandbox,
  type ThroughOptions,
} from 'sandbox-rx';
import { delay, err, exit, memoryBackend, out, type MemoryBackend } from 'sandbox-rx/testing';
import { cut } from '../support/bytes.js';
import { settled, watch } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { SlowInput } from '../support/slow-input.js';
import { pulledFrom, slow, texts, upper } from './kit.js';

const programs = {
  upper,
  slow,
  cat: ({ stdin$ }) => stdin$.pipe(map(out)),
  fails: [err('line one\nno such luck\n'), exit(3)],
  first: ({ stdin$ }) =>
    stdin$.pipe(
      take(1),
      mergeMap(() => [out('enough\n'), exit(0)]),
    ),
  sleep: () => NEVER,
  late: [delay(5), out('x\n')],
  halfFrame: [out(Uint8Array.of(0, 0, 0, 9, 1))],
} satisfies NonNullable<Parameters<typeof memoryBackend>[0]>['programs'];

describe('through', () => {
  let backend: MemoryBackend;
  let sandbox: Sandbox;

  beforeEach(async () => {
    backend = memoryBackend({ programs });
    sandbox = await new SandboxClient(backend).create();
  });

  const states = (): string[] => backend.runs.map(({ state }) => state);

  it('writes values as lines and emits what comes back, as it comes', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('--a--b--c--|');
      const values = { a: 'A', b: 'B', c: 'C' };
      expectObservable(source.pipe(through(sandbox, ['upper']))).toBe('--a--b--c--|', values);
      expectSubscriptions(source.subscriptions).toBe('^----------!');
      flush();
      expect(states()).toEqual(['exited']);
    });
  });

  it('waits for the end of the process after that of the source', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a|');
      expectObservable(source.pipe(through(sandbox, ['slow']))).toBe('10ms (a|)', { a: 'A' });
    });
  });

  it('completes with an empty source, and stays silent on one that never emits', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const [empty, never] = [cold('---|'), cold('---')];
      expectObservable(empty.pipe(through(sandbox, ['upper']))).toBe('---|');
      expectObservable(never.pipe(through(sandbox, ['upper'])), '---------!').toBe('---');
      expectSubscriptions(never.subscriptions).toBe('^--------!');
    });
  });

  it('kills the process and passes on the error of the source', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const source = cold('--a--#');
      expectObservable(source.pipe(through(sandbox, ['upper']))).toBe('--a--#', { a: 'A' });
      flush();
      expect(states()).toEqual(['cancelled']);
    });
  });

  it('kills the process and leaves the source when it is unsubscribed, and when its consumer has enough', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('--a--b--c--|');
      const result$ = source.pipe(through(sandbox, ['upper']));
      expectObservable(result$, '---!').toBe('--a', { a: 'A' });
      expectObservable(result$.pipe(take(1))).toBe('--(a|)', { a: 'A' });
      expectSubscriptions(source.subscriptions).toBe(['^--!', '^-!']);
      flush();
      expect(states()).toEqual(['cancelled', 'cancelled']);
    });
  });

  it('runs a process for each subscription', () => {
    marbles(({ cold, expectObservable }) => {
      const result$ = cold('-a|').pipe(through(sandbox, ['upper']));
      expectObservable(result$).toBe('-a|', { a: 'A' });
      expectObservable(result$, '---^').toBe('----a|', { a: 'A' });
    });
  });

  it('writes everything of a synchronous source', async () => {
    const seen = watch(from(['a', 'b', 'c']).pipe(through(sandbox, ['upper'])));
    while (seen.end === undefined) await settled();
    expect(seen.values).toEqual(['A', 'B', 'C']);
  });

  it('completes and leaves the source when the process ends with success', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a--b--c--|');
      expectObservable(source.pipe(through(sandbox, ['first']))).toBe('--(x|)', { x: 'enough' });
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
  });

  it('fails when the process does, with what it said last', async () => {
    const seen = watch(NEVER.pipe(through(sandbox, ['fails'])));
    while (seen.end === undefined) await settled();
    const { error } = seen.end as { error: SandboxExecutionError };
    expect(error).toBeInstanceOf(SandboxExecutionError);
    expect(error.reason).toBe('exit_status');
    expect(error).toMatchObject({ sandboxId: sandbox.id, runId: expect.any(String) });
    expect(error.message).toMatch(/exit status 3\n.*no such luck$/s);
  });

  it('fails where the process cannot be started, and does not begin with the source', () => {
    const source = pulledFrom(['a']);
    const seen = watch(through(sandbox, ['absent'])(source.source));
    expect(seen.end).toMatchObject({ error: { reason: 'not_found' } });
    expect(source.pulls()).toBe(0);
  });

  describe('framings', () => {
    async function all<T>(source: Parameters<typeof watch<T>>[0]): Promise<unknown> {
      const seen = watch(source);
      while (seen.end === undefined) await settled();
      return seen.end === 'complete' ? seen.values : seen.end.error;
    }

    it('ndjson: any value of JSON', async () => {
      const values = [1, 'two\n', { three: [3, null] }, true];
      const result$ = through(sandbox, ['cat'], { framing: 'ndjson' })(values);
      expect(await all(result$)).toEqual(values);
    });

    it('length-prefixed: any bytes, however they are cut', async () => {
      const bytes = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
      const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(bytes, places, async (values, where) => {
          const recut = memoryBackend({
            programs: {
              recut: ({ stdin$ }) => stdin$.pipe(mergeMap((data) => cut(data, where).map(out))),
            },
          });
          const box = await new SandboxClient(recut).create();
          const result$ = through(box, ['recut'], { framing: 'length-prefixed' })(values);
          expect(await all(result$)).toEqual(values);
        }),
        { numRuns: 40 },
      );
    });

    it('length-prefixed: a frame that is cut off is an error, and one that is too long', async () => {
      const framing = 'length-prefixed';
      const cutOff = await all(through(sandbox, ['halfFrame'], { framing })([]));
      expect(cutOff).toMatchObject({ code: 'ERR_BAD_ANSWER' });
      const tooLong = await all(through(sandbox, ['halfFrame'], { framing, maxLength: 8 })([]));
      expect(tooLong).toBeInstanceOf(OutputLimitError);
    });

    it('raw: bytes as they come', async () => {
      const result$ = through(sandbox, ['cat'], { framing: 'raw' })(['a', Uint8Array.of(98)]);
      const seen = (await all(result$.pipe(texts()))) as string[];
      expect(seen.join('')).toBe('ab');
    });

    it('ndjson: tells why JSON does not have a value', async () => {
      const mapped = through(sandbox, ['cat'], { framing: 'ndjson' });
      const circular: unknown[] = [];
      circular.push(circular);
      const broken = new Error('broken');
      const throwing = {
        toJSON: () => {
          throw broken;
        },
      };
      for (const [value, cause] of [
        [[1n], expect.any(TypeError)],
        [circular, expect.any(TypeError)],
        [throwing, broken],
      ])
        expect(await all(mapped([value]))).toMatchObject({ code: 'ERR_VALIDATION', cause });
      expect(new Set(states())).toEqual(new Set(['cancelled']));
    });

    it.each([
      ['lines', 'two\nlines'],
      ['lines', 5],
      ['ndjson', undefined],
      ['raw', 5],
      ['length-prefixed', null],
    ])('%s: refuses %p, and kills the process', async (framing, value) => {
      const options = { framing } as ThroughOptions & { framing: 'ndjson' };
      expect(await all(through(sandbox, ['cat'], options)([value]))).toBeInstanceOf(
        SandboxValidationError,
      );
      expect(states()).toEqual(['cancelled']);
    });
  });

  describe('a process that is slower than its source', () => {
    it('is waited for by a source that can wait', async () => {
      const input = new SlowInput();
      const box = await input.sandbox();
      const source = pulledFrom(Array.from({ length: 1000 }, () => 'x'.repeat(99)));
      const seen = watch(through(box, ['slow'], { bufferBytes: 1000 })(source.source));
      // One is on its way, and ten wait.
      expect(source.pulls()).toBe(11);
      input.accept();
      expect(source.pulls()).toBe(21);
      expect(input.taken.map(({ data }) => data.length)).toEqual([100, 1000]);
      seen.unsubscribe();
      expect(source.isClosed()).toBe(true);
    });

    it('is not waited for by an Observable: too much is an error', async () => {
      const input = new SlowInput();
      const source: Subject<string> = new Subject();
      const seen = watch(
        source.pipe(through(await input.sandbox(), ['slow'], { bufferBytes: 10 })),
      );
      for (let n = 0; n < 6; n++) source.next('x');
      expect(seen.end).toBeUndefined();
      source.next('x');
      expect(seen.end).toMatchObject({ error: expect.any(OutputLimitError) });
      expect(source.observed).toBe(false);
    });

    it('has the oldest dropped and counted with dropOldest', async () => {
      const input = new SlowInput();
      const dropped: number[] = [];
      const source: Subject<string> = new Subject();
      const options = {
        bufferBytes: 4,
        overflow: 'dropOldest',
        onDrop: (n: number) => dropped.push(n),
      } as const;
      const seen = watch(source.pipe(through(await input.sandbox(), ['slow'], options)));
      for (const value of ['a', 'b', 'c', 'd', 'eee']) source.next(value);
      input.acceptAll();
      expect(input.text).toBe('a\neee\n');
      expect(dropped).toEqual([1, 2]);
      seen.unsubscribe();
    });

    it('refuses what gives no values', () => {
      for (const source of [null, 'text', 7])
        expect(() => through(sandbox, ['cat'])(source as unknown as string[])).toThrow(
          SandboxValidationError,
        );
    });

    it('refuses an Observable with backpressure, and takes what can wait', () => {
      const operator = through(sandbox, ['upper'], { overflow: 'backpressure' });
      expect(() => operator(of('a'))).toThrow(SandboxValidationError);
      expect(() => operator(['a'])).not.toThrow();
    });
  });

  it('passes on what an iterable throws', () => {
    const torn = new SandboxError('ERR_REMOTE', 'torn');
    function* broken(): Generator<string> {
      throw torn;
    }
    const seen = watch(through(sandbox, ['upper'])(broken()));
    expect(seen.end).toEqual({ error: torn });
    expect(watch(throwError(() => torn).pipe(through(sandbox, ['upper']))).end).toEqual({
      error: torn,
    });
  });

  it.each([
    ['no sandbox', () => through({} as never, ['a'])],
    ['no command', () => through(sandbox, [])],
    ['a bad framing', () => through(sandbox, ['a'], { framing: 'csv' as never })],
    ['a bad bound', () => through(sandbox, ['a'], { bufferBytes: 0 })],
    ['a bad strategy', () => through(sandbox, ['a'], { overflow: 'drop' as never })],
    ['an input', () => through(sandbox, ['a'], { stdin: 'x' } as never)],
    ['a bad callback', () => through(sandbox, ['a'], { onDrop: 5 as never })],
    ['a bad length', () => through(sandbox, ['a'], { maxLength: -1 })],
  ])('throws at once for %s', (_name, call) => {
    expect(call).toThrow(SandboxValidationError);
  });
});
