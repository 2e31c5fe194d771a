import { describe, expect, it } from '@jest/globals';
import { stderr, stdout, type OutputEvent, type ProcessEvent } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

const o: OutputEvent = { type: 'stdout', data: bytes('out'), offset: 0 };
const e: OutputEvent = { type: 'stderr', data: bytes('err'), offset: 0 };
const p: OutputEvent = { type: 'stdout', data: bytes('more'), offset: 3 };
const x: ProcessEvent = { type: 'exit', returncode: 1 };

describe('stdout', () => {
  it('emits the bytes of standard output and nothing else', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--e--p--(x|)', { o, e, p, x });
      const subscribed = ' ^----------!   ';
      const expected = '   --o-----p--|   ';

      expectObservable(source.pipe(stdout())).toBe(expected, { o: o.data, p: p.data });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('emits what came before an error, and the error', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-eo--#', { o, e }).pipe(stdout())).toBe('--o--#', { o: o.data });
    });
  });

  it('hands over the very bytes, without a copy', () => {
    marbles(({ cold, flush }) => {
      const seen: Uint8Array[] = [];
      cold('o|', { o })
        .pipe(stdout())
        .subscribe((data) => seen.push(data));
      flush();
      expect(seen[0]).toBe(o.data);
    });
  });

  itObeysTheOperatorLaws<ProcessEvent, Uint8Array>(stdout, { value: o, emitted: o.data });
});

describe('stderr', () => {
  it('emits the bytes of standard error and nothing else', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--o--e--p--(x|)', { o, e, p, x });
      const subscribed = ' ^----------!   ';
      const expected = '   -----e-----|   ';

      expectObservable(source.pipe(stderr())).toBe(expected, { e: e.data });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  itObeysTheOperatorLaws<ProcessEvent, Uint8Array>(stderr, { value: e, emitted: e.data });
});
