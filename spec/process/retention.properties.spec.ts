import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Process, type Chunk, type OutputStream, type ProcessEvent } from 'sandbox-rx';
import { awkwardBytes, places } from '../support/arbitraries.js';
import { concat, cut } from '../support/bytes.js';
import { DrivenRun, watch } from '../support/driven-process.js';
import { PausedSource, type Write } from '../support/paused-source.js';

const stream = fc.constantFrom<OutputStream>('stdout', 'stderr');
const write: fc.Arbitrary<Write> = fc.record({ stream, data: fc.uint8Array({ maxLength: 6 }) });
const writes = fc.array(write, { maxLength: 60 });
const retainBytes = fc.integer({ min: 0, max: 40 });

function play(run: DrivenRun, written: readonly Write[]): void {
  for (const { stream, data } of written) {
    if (stream === 'stdout') run.out(data);
    else run.err(data);
  }
}

function allOf(written: readonly Write[], stream: OutputStream): Uint8Array {
  return concat(written.filter((each) => each.stream === stream).map(({ data }) => data));
}

/** The bytes that events hold, each checked to lie where its offset says. */
function located(
  events: readonly ProcessEvent[],
  stream: OutputStream,
  whole: Uint8Array,
): Uint8Array {
  const pieces: Uint8Array[] = [];
  const misplaced: ProcessEvent[] = [];
  let position: number | undefined;
  for (const event of events) {
    if (event.type !== stream) continue;
    const end = event.offset + event.data.length;
    const isThere = Buffer.from(event.data).equals(whole.subarray(event.offset, end));
    if (!isThere || event.offset !== (position ?? event.offset)) misplaced.push(event);
    position = end;
    pieces.push(event.data);
  }
  expect(misplaced).toEqual([]);
  return concat(pieces);
}

function isSuffix(part: Uint8Array, whole: Uint8Array): boolean {
  return Buffer.from(part).equals(whole.subarray(whole.length - part.length));
}

describe('what a late subscriber is given', () => {
  it('is the end of each stream, at its right offsets, at least retainBytes of it, whenever it comes', () => {
    fc.assert(
      fc.property(writes, writes, retainBytes, (before, after, retain) => {
        const run = new DrivenRun({ retainBytes: retain });
        const early = watch(run.process.events$);
        play(run, before);
        const late = watch(run.process.events$);
        const replayed = late.values.length;
        play(run, after);
        run.exit();
        for (const name of ['stdout', 'stderr'] as const) {
          const whole = allOf([...before, ...after], name);
          const beforehand = allOf(before, name);
          expect(located(early.values, name, whole)).toEqual(whole);
          const retained = located(late.values.slice(0, replayed), name, whole);
          expect(isSuffix(retained, beforehand)).toBe(true);
          expect(retained).toHaveLength(Math.min(retain, beforehand.length));
          expect(located(late.values, name, whole)).toHaveLength(
            retained.length + whole.length - beforehand.length,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is in the order of its arrival, for writes however small and mixed', () => {
    fc.assert(
      fc.property(fc.array(stream, { maxLength: 300 }), (order) => {
        const run = new DrivenRun();
        order.forEach((name, i) => {
          play(run, [{ stream: name, data: Uint8Array.of(i % 251) }]);
        });
        const replayed = watch(run.process.events$).values.flatMap((event) =>
          event.type === 'exit' ? [] : [...event.data].map((byte) => [event.type, byte]),
        );
        expect(replayed).toEqual(order.map((name, i) => [name, i % 251]));
      }),
    );
  });

  it('keeps the order of each stream also where there are more writes than their interleaving is kept of', () => {
    const run = new DrivenRun();
    const live: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      const data = Uint8Array.of(i & 0xff, i >> 8);
      play(run, [{ stream: i % 3 === 0 ? 'stdout' : 'stderr', data }]);
      if (i % 3 !== 0) live.push(i);
    }
    const whole = concat(live.map((i) => Uint8Array.of(i & 0xff, i >> 8)));
    const events = watch(run.process.events$).values;
    expect(Buffer.from(located(events, 'stderr', whole)).equals(whole)).toBe(true);
  });
});

describe('the result', () => {
  it('holds the end of each stream, and counts and flags what is missing', async () => {
    await fc.assert(
      fc.asyncProperty(writes, retainBytes, async (written, retain) => {
        const run = new DrivenRun({ retainBytes: retain });
        play(run, written);
        run.exit();
        const result = await run.process;
        const [stdout, stderr] = [allOf(written, 'stdout'), allOf(written, 'stderr')];
        expect([result.stdoutTotalBytes, result.stderrTotalBytes]).toEqual([
          stdout.length,
          stderr.length,
        ]);
        expect(result.stdoutBytes).toEqual(stdout.slice(Math.max(0, stdout.length - retain)));
        expect(result.stderrBytes).toEqual(stderr.slice(Math.max(0, stderr.length - retain)));
        await run.process.stdout[Symbol.asyncIterator]().next();
        expect(run.process.stdout.droppedBytes).toBe(Math.max(0, stdout.length - retain));
        expect([result.stdoutTruncated, result.stderrTruncated]).toEqual([
          stdout.length > retain,
          stderr.length > retain,
        ]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('text', () => {
  it('is that of all the bytes, for any bytes, cut anywhere, whoever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(awkwardBytes, places, fc.nat(20), async (whole, where, joins) => {
        const run = new DrivenRun();
        const early = watch(run.process.stdout$);
        let late = early;
        cut(whole, where).forEach((piece, i) => {
          if (i === joins % (where.length + 1)) late = watch(run.process.stdout$);
          run.out(piece);
          // In between, so that pieces are kept apart.
          if (i % 2 === 0) run.err('.');
        });
        run.exit();
        const text = new TextDecoder().decode(whole);
        expect(early.values.join('')).toBe(text);
        expect(late.values.join('')).toBe(text);
        expect(watch(run.process.stdout$).values.join('')).toBe(text);
        expect((await run.process).stdout).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('of what is retained is the end of the text: nothing is added where its beginning was dropped', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'é', '€', '😀', '\uFEFF', '\n'),
      maxLength: 30,
    });
    fc.assert(
      fc.property(text, places, retainBytes, (whole, where, retain) => {
        const run = new DrivenRun({ retainBytes: retain });
        for (const piece of cut(new TextEncoder().encode(whole), where)) {
          run.out(piece);
          run.err('.');
        }
        run.exit();
        const late = watch(run.process.stdout$).values.join('');
        const plain = whole.replace(/^\uFEFF/, '');
        expect(plain.endsWith(late)).toBe(true);
        // A character takes at most four bytes, and a mark at the start is taken off.
        const bytes = new TextEncoder().encode(late).length;
        expect(bytes).toBeGreaterThanOrEqual(
          Math.min(retain - 3, new TextEncoder().encode(plain).length),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('a reader', () => {
  const options = fc.record({
    highWaterMark: fc.integer({ min: 1, max: 12 }),
    overflow: fc.constantFrom('backpressure' as const, 'dropOldest' as const),
    retainBytes: fc.integer({ min: 400, max: 500 }),
    encoding: fc.constantFrom('utf-8', 'buffer'),
  });

  it('loses nothing of a run that respects its pauses, and holds no more than it says', async () => {
    await fc.assert(
      fc.asyncProperty(writes, options, async (written, chosen) => {
        const paced = new PausedSource(written);
        const process: Process<Chunk> = new Process(paced.source, ['test'], {
          ...chosen,
          controls: paced.controls,
        });
        const read = { stdout: [] as Chunk[], stderr: [] as Chunk[] };
        const drain = async (name: OutputStream): Promise<void> => {
          for await (const chunk of process[name]) read[name].push(chunk);
        };
        await Promise.all([drain('stdout'), drain('stderr')]);
        for (const name of ['stdout', 'stderr'] as const) {
          const whole = allOf(written, name);
          expect(process[name].droppedBytes).toBe(0);
          if (chosen.encoding === 'buffer')
            expect(concat(read[name] as Uint8Array[])).toEqual(whole);
          else expect(read[name].join('')).toBe(new TextDecoder().decode(whole));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('lets the run be ahead by no more than highWaterMark and one write', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 6 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        async (pieces, highWaterMark) => {
          // The first write comes alone, so that the reader has begun before the rest.
          const paced = new PausedSource(
            pieces.map((data) => ({ stream: 'stdout' as const, data })),
          );
          paced.controls.pause?.(true);
          const process: Process<Chunk> = new Process(paced.source, ['test'], {
            encoding: 'buffer',
            highWaterMark,
            retainBytes: 0,
            controls: paced.controls,
          });
          const reader = process.stdout[Symbol.asyncIterator]();
          let next = reader.next();
          paced.controls.pause?.(false);
          let taken = 0;
          for (let result = await next; !result.done; result = await next) {
            taken += result.value.length;
            expect(paced.written('stdout') - taken).toBeLessThan(highWaterMark + 6);
            next = reader.next();
          }
          expect(taken).toBe(concat(pieces).length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
