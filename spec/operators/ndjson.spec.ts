import { describe, expect, it, jest } from '@jest/globals';
import { concat, from, of, take, throwError } from 'rxjs';
import { ndjson, SandboxError, SandboxValidationError, type LinesConfig } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

describe('ndjson', () => {
  it('parses one value a line, wherever the chunks were cut', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a-----b----|', { a: '{"n":1}\n{"n', b: '":2}\n' });
      const subscribed = ' ^------------!';
      const expected = '   --x-----y----|';

      expectObservable(source.pipe(ndjson())).toBe(expected, { x: { n: 1 }, y: { n: 2 } });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('takes any JSON value, passes over blank lines, and needs no last terminator', () => {
    const seen: unknown[] = [];
    from([bytes('1\r\n\n  \n"two"\nnull\n[4]')])
      .pipe(ndjson())
      .subscribe((value) => seen.push(value));
    expect(seen).toEqual([1, 'two', null, [4]]);
  });

  it('errors at a line that is not JSON, after the values before it, and unsubscribes', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a--b--c--|', { a: '1\n', b: '2\n{oops\n3\n', c: '4\n' });
      const subscribed = ' ^----!      ';
      const error = expect.objectContaining({ code: 'ERR_INVALID_JSON' });

      expectObservable(source.pipe(ndjson())).toBe('--x--(y#)', { x: 1, y: 2 }, error);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('names the line by its number, blank ones counted, and keeps the cause', () => {
    let error: unknown;
    from([`1\n\n{${'x'.repeat(500)}\n`])
      .pipe(ndjson())
      .subscribe({ error: (thrown: unknown) => (error = thrown) });
    expect(error).toBeInstanceOf(SandboxError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_JSON', cause: expect.any(Error) });
    expect(String(error)).toMatch(/line 3 /);
    expect(String(error).length).toBeLessThan(200);
  });

  it.each([
    ['cut off', '{"n":', []],
    ['whole', '{"n":2}', [{ n: 2 }]],
  ])('passes on the error of a source whose last line is %s', (_how, last, emitted) => {
    const failure = new Error('the source failed');
    const seen: unknown[] = [];
    let error: unknown;
    concat(
      of('{"n":1}\n', last),
      throwError(() => failure),
    )
      .pipe(ndjson())
      .subscribe({
        next: (value) => seen.push(value),
        error: (thrown: unknown) => (error = thrown),
      });
    expect(seen).toEqual([{ n: 1 }, ...emitted]);
    expect(error).toBe(failure);
  });

  it('parses no line after its consumer has enough', () => {
    let parsed = 0;
    const parse = jest.spyOn(JSON, 'parse').mockImplementation(() => ++parsed);
    of('1\n2\n3\n').pipe(ndjson(), take(1)).subscribe();
    parse.mockRestore();
    expect(parsed).toBe(1);
  });

  it('stops a synchronous source at a line that is not JSON', () => {
    let asked = 0;
    function* source(): Generator<string> {
      for (; asked < 1000; asked++) yield asked === 0 ? '{oops\n' : ' ';
    }
    from(source())
      .pipe(ndjson())
      .subscribe({ error: () => undefined });
    expect(asked).toBe(0);
  });

  it('refuses a line that is longer than maxLength', () => {
    marbles(({ cold, expectObservable }) => {
      const error = expect.objectContaining({ code: 'ERR_OUTPUT_LIMIT', limit: 3 });
      expectObservable(cold('-a-|', { a: '12345' }).pipe(ndjson({ maxLength: 3 }))).toBe(
        '-#',
        {},
        error,
      );
    });
  });

  it.each([null, 5, { maxLength: 0 }, { maxLength: '1' }])('throws at once for %p', (config) => {
    expect(() => ndjson(config as LinesConfig)).toThrow(SandboxValidationError);
  });

  itObeysTheOperatorLaws(() => ndjson(), { value: '{"a":1}\n', emitted: { a: 1 } });
});
