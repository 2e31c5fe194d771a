import { describe, expect, it } from '@jest/globals';
import { OutputLimitError, type ProcessOptions } from 'sandbox-rx';
import { DrivenRun, outcome, watch } from '../support/driven-process.js';

/** A run, and the pauses that it was asked for. */
function pausable(options: ProcessOptions): {
  readonly run: DrivenRun;
  readonly pauses: boolean[];
} {
  const pauses: boolean[] = [];
  const run = new DrivenRun({ ...options, controls: { pause: (paused) => pauses.push(paused) } });
  return { run, pauses };
}

const x10 = 'x'.repeat(10);

describe("overflow: 'dropOldest'", () => {
  it('is the default, keeps the last retainBytes of each stream, and says what is missing', async () => {
    const { run, pauses } = pausable({ retainBytes: 4 });
    run.out('abc');
    run.out('def');
    run.err('1234');
    run.exit();
    const result = await run.process;
    expect(result).toMatchObject({
      stdout: 'cdef',
      stderr: '1234',
      stdoutTotalBytes: 6,
      stderrTotalBytes: 4,
      stdoutTruncated: true,
      stderrTruncated: false,
    });
    expect(watch(run.process.events$).values[0]).toMatchObject({ type: 'stdout', offset: 2 });
    expect(run.process.stdout.droppedBytes).toBe(0);
    await run.process.stdout[Symbol.asyncIterator]().next();
    expect(run.process.stdout.droppedBytes).toBe(2);
    expect(pauses).toEqual([]);
  });

  it.each([
    [{}, 16, 16],
    [{}, 17, 1],
    [{}, 40, 1],
    [{ highWaterMark: 1024 }, 17, 1],
    [{ retainBytes: 3_145_728 }, 17, 3],
  ])('keeps with %j of %d MiB the last %d', async (options, written, kept) => {
    const run = new DrivenRun(options);
    const mebibyte = new Uint8Array(1_048_576);
    for (let i = 0; i < written; i++) run.out(mebibyte);
    run.exit();
    const { stdoutBytes, stdoutTotalBytes, stdoutTruncated } = await run.process;
    expect([stdoutBytes.length, stdoutTotalBytes, stdoutTruncated]).toEqual([
      kept * mebibyte.length,
      written * mebibyte.length,
      written > kept,
    ]);
  });

  it.each([
    [{}, 1_048_576],
    [{ highWaterMark: 2_097_152 }, 2_097_152],
    [{ retainBytes: 3_145_728 }, 3_145_728],
  ])('keeps of a stream that is being read with %j the last %d bytes', async (options, kept) => {
    const run = new DrivenRun({ ...options, encoding: 'buffer' });
    const mebibyte = new Uint8Array(1_048_576);
    let read = 0;
    run.out(mebibyte);
    for await (const chunk of run.process.stdout) {
      read += chunk.length;
      if (read < 5 * mebibyte.length) run.out(mebibyte);
      else run.exit();
    }
    const { stdoutBytes, stdoutTruncated } = await run.process;
    expect([read, stdoutBytes.length, stdoutTruncated]).toEqual([5_242_880, kept, true]);
  });

  it('keeps nothing with retainBytes: 0, and gives subscribers everything as it comes', async () => {
    const run = new DrivenRun({ retainBytes: 0 });
    const live = watch(run.process.stdout$);
    run.out('abc');
    run.out('def');
    run.exit();
    expect(live.values.join('')).toBe('abcdef');
    expect(await run.process).toMatchObject({
      stdout: '',
      stdoutTotalBytes: 6,
      stdoutTruncated: true,
    });
    expect(watch(run.process.stdout$)).toMatchObject({ values: [], end: 'complete' });
  });

  it('never pauses for a stream that nobody reads: reading stdout to its end and then stderr cannot deadlock', async () => {
    const { run, pauses } = pausable({ retainBytes: 4, highWaterMark: 4 });
    const reader = run.process.stdout[Symbol.asyncIterator]();
    const first = reader.next();
    run.err(x10);
    run.out('ab');
    run.err(x10);
    await first;
    expect(pauses).toEqual([]);
    run.exit();
    await reader.next();
    let stderr = '';
    for await (const chunk of run.process.stderr) stderr += chunk;
    expect([stderr, run.process.stderr.droppedBytes]).toEqual(['xxxx', 16]);
  });
});

describe("overflow: 'backpressure'", () => {
  it('pauses the run when retainBytes are kept unread, loses nothing, and goes on when they are read', async () => {
    const { run, pauses } = pausable({
      retainBytes: 8,
      highWaterMark: 8,
      overflow: 'backpressure',
    });
    run.out('1234567');
    expect(pauses).toEqual([]);
    run.out('8');
    expect(pauses).toEqual([true]);
    run.out('still in the pipe');
    const reader = run.process.stdout[Symbol.asyncIterator]();
    let read = '';
    while (read.length < 25) read += (await reader.next()).value ?? '';
    expect(read).toBe('12345678still in the pipe');
    expect(pauses).toEqual([true, false]);
  });

  it('holds back for either stream', () => {
    const { run, pauses } = pausable({ retainBytes: 2, overflow: 'backpressure' });
    run.err('12');
    expect(pauses).toEqual([true]);
    run.out('12');
    expect(pauses).toEqual([true]);
  });

  it('goes on while one reader is closed only when the other stream is not full', () => {
    const { run, pauses } = pausable({ retainBytes: 2, overflow: 'backpressure' });
    run.out('12');
    run.err('12');
    run.process.stdout.close();
    expect(pauses).toEqual([true]);
    run.process.stderr.close();
    expect(pauses).toEqual([true, false]);
  });

  it('keeps what exceeded retainBytes for the result, and reading on does not take it away', async () => {
    const { run } = pausable({ retainBytes: 2, highWaterMark: 2, overflow: 'backpressure' });
    run.out('12345');
    run.exit();
    const result = await run.process;
    expect(result).toMatchObject({ stdoutTruncated: false, stdoutTotalBytes: 5 });
    await run.process.stdout[Symbol.asyncIterator]().next();
    run.process.stdout.close();
    expect(result).toMatchObject({ stdoutTruncated: false, stdout: '12345' });
  });
});

describe("overflow: 'fail'", () => {
  it('kills the run with an OutputLimitError once it outgrows retainBytes, and keeps what came', async () => {
    const { run } = pausable({ retainBytes: 4, overflow: 'fail', id: 'loud' });
    const live = watch(run.process.stdout$);
    run.out('1234');
    expect(run.process.state).toBe('running');
    run.out('5');
    expect([run.process.state, run.killed]).toEqual(['failed', 1]);
    const ended = await outcome(run.process);
    expect(ended).toEqual({ error: expect.any(OutputLimitError) });
    expect(ended).toMatchObject({ error: { code: 'ERR_OUTPUT_LIMIT', limit: 4, runId: 'loud' } });
    expect(live).toMatchObject({ values: ['1234', '5'], end: ended });
    expect(watch(run.process.stdout$).values.join('')).toBe('12345');
  });

  it('does not fail for a stream that is read, or whose reader was closed', async () => {
    const { run, pauses } = pausable({ retainBytes: 4, highWaterMark: 20, overflow: 'fail' });
    const reader = run.process.stdout[Symbol.asyncIterator]();
    const first = reader.next();
    run.process.stderr.close();
    run.out(x10);
    run.err(x10);
    run.out('y');
    expect([await first, await reader.next()]).toMatchObject([{ value: x10 }, { value: 'y' }]);
    run.exit();
    expect(await outcome(run.process.wait())).toEqual({ value: 0 });
    expect(pauses).toEqual([]);
  });
});

describe('highWaterMark', () => {
  it('bounds what an active reader holds: the run pauses there, and goes on at half of it', async () => {
    const { run, pauses } = pausable({ highWaterMark: 10 });
    const reader = run.process.stdout[Symbol.asyncIterator]();
    const first = reader.next();
    run.out('a');
    await first;
    // The pieces are kept apart by the other stream.
    for (const piece of ['bbb', 'ccc', 'ddd']) {
      run.out(piece);
      run.err('.');
    }
    expect(pauses).toEqual([]);
    run.out('e');
    expect(pauses).toEqual([true]);
    await reader.next();
    expect(pauses).toEqual([true]);
    await reader.next();
    expect(pauses).toEqual([true, false]);
  });

  it('means nothing before the first read', async () => {
    const { run, pauses } = pausable({ highWaterMark: 4 });
    const reader = run.process.stdout;
    run.out(x10);
    expect(pauses).toEqual([]);
    const { value } = await reader[Symbol.asyncIterator]().next();
    expect(value).toBe(x10);
    expect(pauses.at(-1) ?? false).toBe(false);
  });

  it('is a mebibyte when it is not given', async () => {
    const { run, pauses } = pausable({});
    const first = run.process.stdout[Symbol.asyncIterator]().next();
    run.out('x');
    await first;
    run.out(new Uint8Array(1_048_575));
    expect(pauses).toEqual([]);
    run.out('x');
    expect(pauses).toEqual([true]);
  });

  it('keeps for the reader what retention would have dropped', async () => {
    const { run } = pausable({ retainBytes: 2, highWaterMark: 100 });
    const reader = run.process.stdout[Symbol.asyncIterator]();
    const first = reader.next();
    run.out('a');
    await first;
    run.out('bcdef');
    run.out('ghi');
    run.exit();
    let read = '';
    for (let next = await reader.next(); !next.done; next = await reader.next()) read += next.value;
    expect(read).toBe('bcdefghi');
  });

  it('undoes its pause when the reader is closed, and when the loop is left', async () => {
    const { run, pauses } = pausable({ highWaterMark: 4 });
    const first = run.process.stdout[Symbol.asyncIterator]().next();
    run.out('x');
    await first;
    run.out(x10);
    run.process.stdout.close();
    expect(pauses).toEqual([true, false]);

    const other = pausable({ highWaterMark: 4 });
    other.run.out('x');
    for await (const chunk of other.run.process.stdout) {
      expect(chunk).toBe('x');
      other.run.out(x10);
      expect(other.pauses).toEqual([true]);
      break;
    }
    expect(other.pauses).toEqual([true, false]);
  });

  it('asks for no pause once the run is over', async () => {
    const { run, pauses } = pausable({ highWaterMark: 4 });
    const first = run.process.stdout[Symbol.asyncIterator]().next();
    run.out('x');
    await first;
    run.out(x10);
    run.process.cancel();
    run.process.stdout.close();
    expect(pauses).toEqual([true]);
  });
});
