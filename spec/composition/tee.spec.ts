import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { SandboxClient, SandboxValidationError, tee } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';

/** Numbers from 0 on, that know how many were asked for and whether they were closed. */
function counting(end = Infinity, failure?: Error) {
  const told = { asked: 0, isClosed: false };
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (; told.asked < end; told.asked++) yield await Promise.resolve(told.asked);
      if (failure !== undefined) throw failure;
    } finally {
      told.isClosed = true;
    }
  }
  return { told, source: numbers() };
}

async function all<T>(reader: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of reader) values.push(value);
  return values;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('tee', () => {
  it('gives every value to each reader, in order, however they take turns', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 2 }), { maxLength: 100 }),
        fc.integer({ min: 1, max: 5 }),
        async (turns, maxAhead) => {
          const { source } = counting(20);
          const readers = tee(source, { readers: 3, maxAhead });
          const got: Promise<IteratorResult<number>>[][] = [[], [], []];
          for (const who of turns)
            got[who]?.push(readers[who]?.next() ?? Promise.reject(new Error()));
          // Those who asked more often than others wait for them: all go on to the end.
          const rests = await Promise.all(readers.map((reader) => all(reader)));
          for (const [who, rest] of rests.entries()) {
            const first = await Promise.all(got[who] ?? []);
            const values = first.flatMap(({ done, value }) => (done === true ? [] : [value]));
            expect([...values, ...rest]).toEqual(Array.from({ length: 20 }, (_, n) => n));
          }
        },
      ),
    );
  });

  it('asks for no more than the slowest reader and maxAhead allow', async () => {
    const { told, source } = counting();
    const [fast, slow] = tee(source, { maxAhead: 3 });
    const values = [];
    for (let n = 0; n < 3; n++) values.push((await fast.next()).value);
    expect(values).toEqual([0, 1, 2]);
    const fourth = fast.next();
    await turn();
    expect(told.asked).toBe(2);
    expect(await slow.next()).toEqual({ done: false, value: 0 });
    expect(await fourth).toEqual({ done: false, value: 3 });
    await Promise.all([fast.return?.(), slow.return?.()]);
    expect(told.isClosed).toBe(true);
  });

  it('does not wait for a reader that has left, and closes the source with the last one', async () => {
    const { told, source } = counting();
    const [one, other] = tee(source, { maxAhead: 1 });
    await one.next();
    await other.return?.();
    expect(told.isClosed).toBe(false);
    for (let n = 1; n < 10; n++) expect(await one.next()).toEqual({ done: false, value: n });
    await one.return?.();
    await turn();
    expect(told.isClosed).toBe(true);
    expect(await one.next()).toEqual({ done: true, value: undefined });
  });

  it('closes a source that nobody has read when the last reader leaves', async () => {
    let isCancelled = false;
    const stream: ReadableStream<number> = new ReadableStream({
      cancel: () => {
        isCancelled = true;
      },
    });
    const readable = Readable.from([1, 2]);
    for (const readers of [tee<number>(stream), tee<number>(readable)])
      for (const reader of readers) await reader.return?.();
    await turn();
    expect([isCancelled, readable.destroyed]).toEqual([true, true]);
  });

  it('lets its readers leave a source that cannot be opened', async () => {
    const stream: ReadableStream<number> = new ReadableStream();
    stream.getReader();
    for (const reader of tee(stream))
      expect(await reader.return?.()).toEqual({ done: true, value: undefined });
  });

  it('tells each reader an error, after what came before it', async () => {
    const failure = new Error('broken');
    const readers = tee(counting(2, failure).source);
    for (const reader of readers) {
      expect(await reader.next()).toEqual({ done: false, value: 0 });
      expect(await reader.next()).toEqual({ done: false, value: 1 });
    }
    for (const reader of readers) {
      await expect(reader.next()).rejects.toBe(failure);
      expect(await reader.next()).toEqual({ done: true, value: undefined });
    }
  });

  it('gives the output of a process to two', async () => {
    await using sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    const [one, other] = tee(sandbox.exec(['seq', '50000']).stdout.lines());
    const [lines, count] = await Promise.all([all(one), all(other).then(({ length }) => length)]);
    expect([lines.length, lines.at(-1), count]).toEqual([50_000, '50000', 50_000]);
  });

  it('refuses what cannot wait, and bad options', () => {
    expect(() => tee('text' as unknown as string[])).toThrow(SandboxValidationError);
    expect(() => tee(Promise.resolve([1]) as unknown as number[])).toThrow(SandboxValidationError);
    expect(() => tee(null as unknown as string[])).toThrow(SandboxValidationError);
    expect(() => tee([1], { readers: 0 })).toThrow(SandboxValidationError);
    expect(() => tee([1], { maxAhead: 0 })).toThrow(SandboxValidationError);
  });
});
