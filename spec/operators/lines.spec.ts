import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { from, materialize, Subject, take } from 'rxjs';
import {
  lines,
  OutputLimitError,
  SandboxError,
  SandboxValidationError,
  type LinesConfig,
} from 'sandbox-rx';
import { awkwardBytes, places } from '../support/arbitraries.js';
import { bytes, cut } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

/** The lines of chunks; an error's code stands at the end. */
function linesOf(chunks: readonly (string | Uint8Array)[], config?: LinesConfig): string[] {
  const seen: string[] = [];
  from(chunks)
    .pipe(lines(config))
    .subscribe({
      next: (line) => seen.push(line),
      error: (error: unknown) =>
        seen.push(error instanceof SandboxError ? error.code : String(error)),
    });
  return seen;
}

/** The same, the obvious way, of all the text at once. */
function plainLines(text: string): string[] {
  const pieces = text.split('\n');
  const last = pieces.pop() ?? '';
  const terminated = pieces.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return last === '' ? terminated : [...terminated, last];
}

/** What a terminal shows when a carriage return starts the line over. */
function redrawn(line: string): string {
  const drawn = line.split('\r').filter((text) => text !== '');
  return drawn.at(-1) ?? '';
}

describe('lines', () => {
  it('joins a line that was split across chunks and flushes the last one on completion', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values = { a: 'he', b: 'llo\nwor', c: 'ld' };
      const source = cold('--a----b-----c--|   ', values);
      const subscribed = ' ^---------------!   ';
      const expected = '   -------x--------(y|)';

      expectObservable(source.pipe(lines())).toBe(expected, { x: 'hello', y: 'world' });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('emits a last line without a terminator before an error too', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a--#', { a: 'one\npanic: no' });
      expectObservable(source.pipe(lines())).toBe('--x--(y#)', { x: 'one', y: 'panic: no' });
    });
  });

  it('emits all lines of one chunk in the same frame', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-a----|', { a: 'x\ny\nz\n' }).pipe(lines())).toBe('-(xyz)|');
    });
  });

  it('decodes bytes as UTF-8', () => {
    const euro = bytes('€\n€');
    expect(linesOf([euro.subarray(0, 1), euro.subarray(1, 6), euro.subarray(6)])).toEqual([
      '€',
      '€',
    ]);
  });

  it.each([
    [['a\r\nb\r\n'], ['a', 'b']],
    [
      ['a\r', '\nb'],
      ['a', 'b'],
    ],
    [['a\r', '\r\n'], ['a\r']],
    [['a\r', '\r', '\n'], ['a\r']],
    [['a\rb\n'], ['a\rb']],
    [['a\r'], ['a\r']],
    [['\r', '\n'], ['']],
    [['\n\n'], ['', '']],
    [['a', '', '\n'], ['a']],
    [[''], []],
  ])('%j are the lines %j', (chunks, expected) => {
    expect(linesOf(chunks)).toEqual(expected);
  });

  it('gives for any bytes, cut anywhere, the lines of the whole', () => {
    fc.assert(
      fc.property(awkwardBytes, places, (whole, where) => {
        expect(linesOf(cut(whole, where))).toEqual(plainLines(new TextDecoder().decode(whole)));
      }),
      { numRuns: 1000 },
    );
  });

  describe('maxLength', () => {
    const config = { maxLength: 3 };

    it('errors and unsubscribes when a line is longer, after the lines before it', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('--a--b--|', { a: 'abc\nabcd', b: '\n' });
        const subscribed = ' ^-!      ';
        const error = expect.objectContaining({ code: 'ERR_OUTPUT_LIMIT', limit: 3 });

        expectObservable(source.pipe(lines(config))).toBe('--(x#)', { x: 'abc' }, error);
        expectSubscriptions(source.subscriptions).toBe(subscribed);
      });
    });

    it.each([
      [['abc\nabc\r\nabc'], ['abc', 'abc', 'abc']],
      [['abc\r', '\n'], ['abc']],
      [['ab', 'c', '\n'], ['abc']],
      [['abcd\n'], ['ERR_OUTPUT_LIMIT']],
      [['abc', 'd', '\n'], ['ERR_OUTPUT_LIMIT']],
      [['abcd'], ['ERR_OUTPUT_LIMIT']],
      [['abc\r'], ['ERR_OUTPUT_LIMIT']],
      [['abc\r', 'd'], ['ERR_OUTPUT_LIMIT']],
    ])('at 3, %j gives %j', (chunks, expected) => {
      expect(linesOf(chunks, config)).toEqual(expected);
    });

    it('does not depend on how the text was cut', () => {
      fc.assert(
        fc.property(
          fc.string({ unit: fc.constantFrom('a', '\r', '\n'), maxLength: 20 }),
          places,
          (text, where) => {
            const expected = plainLines(text);
            const tooLong = expected.findIndex((line) => line.length > 3);
            expect(linesOf(cut(text, where), config)).toEqual(
              tooLong === -1 ? expected : [...expected.slice(0, tooLong), 'ERR_OUTPUT_LIMIT'],
            );
          },
        ),
        { numRuns: 1000 },
      );
    });

    it('leaves the error of the source its place when the last line is too long', () => {
      const source: Subject<string> = new Subject();
      const failure = new Error('gone');
      const seen: unknown[] = [];
      source
        .pipe(lines(config), materialize())
        .subscribe((notification) => seen.push(notification));
      source.next('abc\r');
      source.error(failure);
      expect(seen).toEqual([expect.objectContaining({ kind: 'E', error: failure })]);
    });

    it('names the limit and the unit in its error', () => {
      let error: unknown;
      from(['abcd'])
        .pipe(lines(config))
        .subscribe({ error: (thrown: unknown) => (error = thrown) });
      expect(error).toBeInstanceOf(OutputLimitError);
      expect(String(error)).toMatch(/maxLength \(3 UTF-16 code units\)/);
    });

    it('is a mebibyte when it is not given', () => {
      const mebibyte = 'x'.repeat(1_048_576);
      expect(linesOf([`${mebibyte}\n`])).toEqual([mebibyte]);
      expect(linesOf([`${mebibyte}x\n`])).toEqual(['ERR_OUTPUT_LIMIT']);
    });
  });

  describe("carriageReturn: 'redraw'", () => {
    const config = { carriageReturn: 'redraw' } as const;

    it('emits only what was drawn last', () => {
      marbles(({ cold, expectObservable }) => {
        const values = { a: '10%\r', b: '50%\r', c: '100%\n', d: 'done' };
        const source = cold('-a-b-c-d-|', values);
        expectObservable(source.pipe(lines(config))).toBe('-----x---(y|)', {
          x: '100%',
          y: 'done',
        });
      });
    });

    it('gives for any text, cut anywhere, what a terminal shows', () => {
      const text = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n'), maxLength: 20 });
      fc.assert(
        fc.property(text, places, (whole, where) => {
          const shown = whole.split('\n').map(redrawn);
          const last = whole.slice(whole.lastIndexOf('\n') + 1);
          expect(linesOf(cut(whole, where), config)).toEqual(
            last === '' ? shown.slice(0, -1) : shown,
          );
        }),
        { numRuns: 1000 },
      );
    });

    it('holds no more than the line that is drawn, however often it is drawn over', () => {
      const progress = Array.from({ length: 1000 }, (_, i) => `${i}\r`);
      expect(linesOf([...progress, '\n'], { ...config, maxLength: 3 })).toEqual(['999']);
      expect(
        linesOf(['a', ...Array.from({ length: 100 }, () => '\r'), '\n'], {
          ...config,
          maxLength: 3,
        }),
      ).toEqual(['a']);
    });
  });

  it.each([
    null,
    5,
    [],
    { maxLength: 0 },
    { maxLength: 1.5 },
    { maxLength: '10' },
    { maxLength: NaN },
    { carriageReturn: 'crlf' },
    { carriageReturn: true },
  ])('throws at once for %p', (config) => {
    expect(() => lines(config as LinesConfig)).toThrow(SandboxValidationError);
  });

  it('emits nothing more once its consumer has left, within one chunk too', () => {
    const seen: string[] = [];
    from(['a\nb\nc\n'])
      .pipe(lines(), take(2))
      .subscribe((line) => seen.push(line));
    expect(seen).toEqual(['a', 'b']);
  });

  itObeysTheOperatorLaws(() => lines(), { value: 'line\n', emitted: 'line' });
});
