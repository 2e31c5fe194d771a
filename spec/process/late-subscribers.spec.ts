import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, type Observable } from 'rxjs';
import type { Chunk, Process, ProcessEvent } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { DrivenRun, watch } from '../support/driven-process.js';

/** What a subscriber saw of events, in short. */
function short(events: readonly ProcessEvent[]): string[] {
  return events.map((event) =>
    event.type === 'exit'
      ? `exit ${event.returncode}`
      : `${event.type}@${event.offset} ${new TextDecoder().decode(event.data)}`,
  );
}

describe('a late subscriber', () => {
  it('of events$ gets what is retained, in order of arrival, and then what comes', () => {
    const run = new DrivenRun();
    run.out('a');
    run.err('b');
    run.out('c');
    const late = watch(run.process.events$);
    expect(short(late.values)).toEqual(['stdout@0 a', 'stderr@0 b', 'stdout@1 c']);
    run.err('d');
    run.exit();
    expect(short(late.values).slice(3)).toEqual(['stderr@1 d', 'exit 0']);
    expect(late.end).toBe('complete');
  });

  it('of stdout$ gets what is retained, and then what comes', () => {
    const run = new DrivenRun();
    run.out('one ');
    run.err('not this');
    const early = watch(run.process.stdout$);
    run.out('two ');
    const late = watch(run.process.stdout$);
    run.out('three');
    run.exit();
    expect(early.values.join('')).toBe('one two three');
    expect(late.values.join('')).toBe('one two three');
    expect(watch(run.process.stdout$).values.join('')).toBe('one two three');
  });

  it.each([0, 1, 2, 3, 4])(
    'gets a character whole that is split where it joins: after %d bytes',
    (joins) => {
      const run = new DrivenRun();
      const early = watch(run.process.stdout$);
      const whole = bytes('😀!');
      run.out(whole.slice(0, joins));
      const late = watch(run.process.stdout$);
      run.out(whole.slice(joins));
      run.exit();
      expect(early.values.join('')).toBe('😀!');
      expect(late.values.join('')).toBe('😀!');
    },
  );

  it('gets a byte order mark taken off only where the stream began', () => {
    const run = new DrivenRun({ retainBytes: 4 });
    run.out('\uFEFFx');
    expect(watch(run.process.stdout$).values.join('')).toBe('x');
    run.out('\uFEFFy');
    expect(watch(run.process.stdout$).values.join('')).toBe('\uFEFFy');
  });

  it('gets U+FFFD at the end for a character that was never finished', () => {
    const run = new DrivenRun();
    const early = watch(run.process.stdout$);
    run.out(Uint8Array.of(0x41, 0xe2, 0x82));
    run.exit();
    expect(early.values.join('')).toBe('A\uFFFD');
    expect(watch(run.process.stdout$).values.join('')).toBe('A\uFFFD');
  });

  it('leaves while it is given what is retained', async () => {
    const run = new DrivenRun();
    run.out('a');
    run.err('b');
    run.out('c');
    await expect(firstValueFrom(run.process.events$)).resolves.toMatchObject({ offset: 0 });
    await expect(firstValueFrom(run.process.stdout$)).resolves.toBeDefined();
    run.exit();
    await expect(firstValueFrom(run.process.stdout$)).resolves.toBeDefined();
  });

  it('is never given an empty chunk', () => {
    const run = new DrivenRun();
    const early = watch(run.process.stdout$);
    run.out('');
    run.out(Uint8Array.of(0xe2));
    run.out('');
    const late = watch(run.process.stdout$);
    run.out(Uint8Array.of(0x82, 0xac));
    run.exit();
    expect([early.values, late.values]).toEqual([['€'], ['€']]);
  });
});

describe('encoding', () => {
  /** Chunks of a process whose encoding was chosen at run time. */
  const chunks = (process: Process): Observable<Chunk> => process.stdout$;

  it("'buffer' gives bytes, as they came", async () => {
    const run = new DrivenRun({ encoding: 'buffer' });
    const early = watch(chunks(run.process));
    const data = Uint8Array.of(0xef, 0xbb, 0xbf, 0xff, 0x00);
    run.out(data);
    run.exit();
    expect(early.values).toEqual([data]);
    expect(watch(chunks(run.process)).values).toEqual([data]);
    const iterator = run.process.stdout[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: data });
    const result = await run.process;
    expect(result.stdoutBytes).toEqual(data);
    expect(result.stdout).toBe('\uFFFD\0');
  });

  it.each([
    ['windows-1252', Uint8Array.of(0x80, 0x41), '€A'],
    ['utf-16le', Uint8Array.of(0x3d, 0xd8, 0x00, 0xde), '😀'],
    ['Shift_JIS', Uint8Array.of(0x82, 0xa0), 'あ'],
  ])('%s is decoded everywhere, one byte at a time', async (encoding, data, text) => {
    const run = new DrivenRun({ encoding });
    const stdout = watch(run.process.stdout$);
    for (const byte of data) run.out(Uint8Array.of(byte));
    run.exit();
    expect(stdout.values.join('')).toBe(text);
    expect((await run.process).stdout).toBe(text);
    let read = '';
    for await (const chunk of run.process.stdout) read += chunk;
    expect(read).toBe(text);
  });

  it('leaves out the rest of a UTF-16 unit whose beginning was dropped', async () => {
    const run = new DrivenRun({ encoding: 'utf-16le', retainBytes: 3 });
    run.out(Uint8Array.of(0x41, 0x00, 0x42, 0x00));
    run.exit();
    expect((await run.process).stdout).toBe('B');
  });

  it.each([1, 2, 3])(
    'leaves out the rest of a UTF-8 character whose beginning was dropped, in pieces too',
    async (kept) => {
      const run = new DrivenRun({ retainBytes: kept + 1 });
      for (const byte of bytes('😀')) {
        run.out(Uint8Array.of(byte));
        // In between, so that the pieces are kept apart.
        run.err('.');
      }
      run.out('!');
      run.exit();
      expect(watch(run.process.stdout$).values.join('')).toBe('!');
      expect((await run.process).stdout).toBe('!');
    },
  );
});

describe('a run that misses bytes', () => {
  it('has a jump in its offsets, and says so in its result', async () => {
    const run = new DrivenRun();
    const live = watch(run.process.events$);
    run.out('abc');
    run.lose('stdout', 100);
    run.out('def');
    expect(short(watch(run.process.events$).values)).toEqual(['stdout@0 abc', 'stdout@103 def']);
    run.exit();
    expect(short(live.values)).toEqual(['stdout@0 abc', 'stdout@103 def', 'exit 0']);
    const result = await run.process;
    expect([result.stdoutTruncated, result.stdoutTotalBytes]).toEqual([true, 106]);
    expect([result.stderrTruncated, result.stderrTotalBytes]).toEqual([false, 0]);
  });

  it('counts what is missing once, also when retention drops what was around it', async () => {
    const run = new DrivenRun({ retainBytes: 2 });
    run.out('abc');
    run.lose('stdout', 100);
    run.out('def');
    const reader = run.process.stdout;
    await reader[Symbol.asyncIterator]().next();
    expect(reader.droppedBytes).toBe(104);
  });

  it('may miss the last of them, which its result and its reader count too', async () => {
    const run = new DrivenRun({ encoding: 'buffer', highWaterMark: 10 });
    const reader = run.process.stdout;
    const reading = reader[Symbol.asyncIterator]();
    run.out('abc');
    expect(await reading.next()).toMatchObject({ done: false });
    run.lose('stdout', 100);
    run.out('def');
    expect(await reading.next()).toMatchObject({ done: false });
    expect(reader.droppedBytes).toBe(100);
    run.lose('stdout', 1000);
    run.out('');
    run.exit();
    expect(await reading.next()).toMatchObject({ done: true });
    expect(reader.droppedBytes).toBe(1100);
    const result = await run.process;
    expect([result.stdoutTruncated, result.stdoutTotalBytes]).toEqual([true, 1106]);
  });

  it('does not make one character of the halves of two', async () => {
    const run = new DrivenRun();
    const live = watch(run.process.stdout$);
    run.out(Uint8Array.of(0x41, 0xe2));
    run.lose('stdout', 1);
    run.out(Uint8Array.of(0x82, 0xac, 0x42));
    run.exit();
    expect(live.values.join('')).toBe('A\uFFFDB');
    expect((await run.process).stdout).toBe('A\uFFFDB');
  });
});
