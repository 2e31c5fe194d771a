import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { OutputLimitError, type StreamReader } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { DrivenRun, outcome, settled } from '../support/driven-process.js';

/** Everything a reader gives, and how it ended. */
async function drain<T>(
  source: AsyncIterable<T>,
): Promise<{ readonly values: T[]; readonly error?: unknown }> {
  const values: T[] = [];
  try {
    for await (const value of source) values.push(value);
    return { values };
  } catch (error) {
    return { values, error };
  }
}

describe('StreamReader', () => {
  it('is the same for each read of the property, and begins with what is retained', async () => {
    const run = new DrivenRun();
    expect(run.process.stdout).toBe(run.process.stdout);
    run.out('a');
    run.err('b');
    run.exit();
    expect(await drain(run.process.stdout)).toEqual({ values: ['a'] });
    expect(await drain(run.process.stderr)).toEqual({ values: ['b'] });
  });

  it('answers reads in the order in which they were made', async () => {
    const run = new DrivenRun();
    const reader = run.process.stdout[Symbol.asyncIterator]();
    const reads = [reader.next(), reader.next(), reader.next(), reader.next()];
    run.out('a');
    await settled();
    run.out('b');
    await settled();
    run.out('c');
    run.exit();
    const results = await Promise.all(reads);
    expect(results.map(({ value }) => value)).toEqual(['a', 'b', 'c', undefined]);
  });

  it('waits for a whole character', async () => {
    const run = new DrivenRun();
    const euro = bytes('€');
    const next = run.process.stdout[Symbol.asyncIterator]().next();
    run.out(euro.slice(0, 1));
    run.out(euro.slice(1, 2));
    await settled();
    run.out(euro.slice(2));
    expect(await next).toEqual({ done: false, value: '€' });
  });

  it('ends with U+FFFD for a character whose end never comes', async () => {
    const run = new DrivenRun();
    run.out(Uint8Array.of(0x41, 0xe2));
    run.exit();
    expect((await drain(run.process.stdout)).values.join('')).toBe('A\uFFFD');
  });

  it('answers calls that do not wait for each other in their order', async () => {
    const run = new DrivenRun();
    const chunks = run.process.stdout[Symbol.asyncIterator]();
    const calls = [chunks.next(), chunks.next()];
    run.out('a');
    run.out('b');
    calls.push(chunks.next());
    run.out('c');
    await calls[0];
    calls.push(chunks.next());
    run.out('d');
    run.exit();
    const answers = await Promise.all(calls);
    expect(answers.map(({ value }) => value ?? '').join('')).toBe('abcd');
  });

  it('is closed by leaving the loop, and then ends at once', async () => {
    const run = new DrivenRun();
    run.out('a');
    for await (const chunk of run.process.stdout) {
      expect(chunk).toBe('a');
      break;
    }
    run.out('b');
    expect(await drain(run.process.stdout)).toEqual({ values: [] });
    expect(run.observed).toBe(true);
  });

  it('ends a read that waits when it is closed, more than once too', async () => {
    const run = new DrivenRun();
    const reader = run.process.stdout;
    const waiting = reader[Symbol.asyncIterator]().next();
    reader.close();
    reader.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  describe('lines', () => {
    it('gives lines without their terminators, wherever the chunks were cut', async () => {
      const run = new DrivenRun();
      const reading = drain(run.process.stdout.lines());
      for (const piece of ['on', 'e\r', '\ntwo\n\nthr', 'ee']) {
        run.out(piece);
        await settled();
      }
      run.exit();
      expect(await reading).toEqual({ values: ['one', 'two', '', 'three'] });
    });

    it('gives the last words of a run that fails, and then its error', async () => {
      const run = new DrivenRun();
      const error = new Error('no');
      run.out('one\npanic: ');
      run.out('no');
      run.fail(error);
      expect(await drain(run.process.stdout.lines())).toEqual({
        values: ['one', 'panic: no'],
        error,
      });
    });

    it("gives lines of text with encoding: 'buffer' too", async () => {
      const run = new DrivenRun({ encoding: 'buffer' });
      const euro = bytes('€\n€');
      const reading = drain(run.process.stdout.lines());
      for (const byte of euro) {
        run.out(Uint8Array.of(byte));
        await settled();
      }
      run.exit();
      expect(await reading).toEqual({ values: ['€', '€'] });
    });

    it('refuses a line that is longer than a mebibyte, after the lines before it, and closes the reader', async () => {
      const run = new DrivenRun();
      run.out('short\n');
      run.out('x'.repeat(1_048_577));
      const { values, error } = await drain(run.process.stdout.lines());
      expect(values).toEqual(['short']);
      expect(error).toBeInstanceOf(OutputLimitError);
      expect(await drain(run.process.stdout)).toEqual({ values: [] });
    });

    it('answers calls in their order, however many wait', async () => {
      const run = new DrivenRun();
      const reader = run.process.stdout.lines();
      const answers = Promise.all(Array.from({ length: 5 }, () => reader.next()));
      await settled();
      run.out('1\n2\n3');
      await settled();
      run.exit();
      expect((await answers).map(({ value }) => value)).toEqual([
        '1',
        '2',
        '3',
        undefined,
        undefined,
      ]);
    });

    it('says a failure once', async () => {
      const run = new DrivenRun();
      const error = new Error('no');
      run.fail(error);
      const reader = run.process.stdout.lines();
      await expect(reader.next()).rejects.toBe(error);
      expect(await reader.next()).toEqual({ done: true, value: undefined });
    });

    it('closes the reader when the loop is left', async () => {
      const run = new DrivenRun();
      run.out('one\ntwo\n');
      for await (const line of run.process.stdout.lines()) {
        expect(line).toBe('one');
        break;
      }
      expect(await drain(run.process.stdout)).toEqual({ values: [] });
    });
  });

  describe('toReadableStream', () => {
    it('is a Web stream of the same chunks, read only as it is asked', async () => {
      const pauses: boolean[] = [];
      const controls = { pause: (paused: boolean): void => void pauses.push(paused) };
      const run = new DrivenRun({ highWaterMark: 4, controls });
      const reader = run.process.stdout.toReadableStream().getReader();
      run.out('a');
      expect(await reader.read()).toEqual({ done: false, value: 'a' });
      run.out('bcdefgh');
      await settled();
      expect(pauses).toEqual([true]);
      expect(await reader.read()).toEqual({ done: false, value: 'bcdefgh' });
      expect(pauses).toEqual([true, false]);
      run.exit();
      expect(await reader.read()).toEqual({ done: true, value: undefined });
    });

    it('errors where the run errors', async () => {
      const run = new DrivenRun();
      const error = new Error('no');
      const reader = run.process.stdout.toReadableStream().getReader();
      run.fail(error);
      expect(await outcome(reader.read())).toEqual({ error });
    });

    it('closes the reader when it is cancelled', async () => {
      const run = new DrivenRun();
      await run.process.stdout.toReadableStream().cancel();
      run.out('a');
      expect(await drain(run.process.stdout)).toEqual({ values: [] });
    });
  });

  describe("Node's Readable.from", () => {
    it('reads it', async () => {
      const run = new DrivenRun();
      run.out('a');
      run.exit();
      expect(await drain<unknown>(Readable.from(run.process.stdout))).toEqual({ values: ['a'] });
    });

    it('closes it when it is destroyed', async () => {
      const run = new DrivenRun();
      const reader: StreamReader<string> = run.process.stdout;
      run.out('a');
      for await (const chunk of Readable.from(reader)) {
        expect(chunk).toBe('a');
        break;
      }
      expect(await drain(reader)).toEqual({ values: [] });
    });
  });
});
