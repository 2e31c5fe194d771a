import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { from, toArray } from 'rxjs';
import { decode, SandboxValidationError } from 'sandbox-rx';
import { awkwardBytes, places } from '../support/arbitraries.js';
import { bytes, cut } from '../support/bytes.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

/** What decode makes of chunks, as one string. */
function decoded(chunks: readonly Uint8Array[], label?: string): string {
  let text = '';
  from(chunks)
    .pipe(decode(label), toArray())
    .subscribe((pieces) => (text = pieces.join('')));
  return text;
}

/** The whole in one piece. Without `stream`, Node 20 takes windows-1252 for latin1. */
function textOf(whole: Uint8Array, label: string): string {
  const decoder = new TextDecoder(label);
  return decoder.decode(whole, { stream: true }) + decoder.decode();
}

describe('decode', () => {
  it('emits a character that was split between two chunks with the later one', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values = { a: Uint8Array.of(0x68, 0xe2), b: Uint8Array.of(0x82, 0xac) };
      const source = cold('--a--b--|', values);
      const subscribed = ' ^-------!';
      const expected = '   --x--y--|';

      expectObservable(source.pipe(decode())).toBe(expected, { x: 'h', y: '€' });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('emits nothing for a chunk that finishes no character', () => {
    marbles(({ cold, expectObservable }) => {
      const values = {
        a: Uint8Array.of(0xe2),
        b: Uint8Array.of(0x82),
        c: Uint8Array.of(0xac),
        d: new Uint8Array(),
      };
      expectObservable(cold('-a-b-d-c-|', values).pipe(decode())).toBe('-------x-|', { x: '€' });
    });
  });

  it('emits U+FFFD for a character whose end never comes, before completion and before an error', () => {
    marbles(({ cold, expectObservable }) => {
      const values = { a: Uint8Array.of(0xe2, 0x82) };
      expectObservable(cold('-a--|', values).pipe(decode())).toBe('----(x|)', { x: '\uFFFD' });
      expectObservable(cold('-a--#', values).pipe(decode())).toBe('----(x#)', { x: '\uFFFD' });
    });
  });

  it.each([
    ['at the start', [bytes('\uFEFFhi')], 'hi'],
    [
      'split at the start',
      [Uint8Array.of(0xef), Uint8Array.of(0xbb), Uint8Array.of(0xbf, 0x68)],
      'h',
    ],
    ['alone', [bytes('\uFEFF')], ''],
    ['later, after ASCII', [bytes('hi'), bytes('\uFEFF')], 'hi\uFEFF'],
    ['later, after other text', [bytes('€'), bytes('\uFEFF')], '€\uFEFF'],
    ['twice', [bytes('\uFEFF'), bytes('\uFEFF')], '\uFEFF'],
    ['after an empty chunk', [new Uint8Array(), bytes('\uFEFFhi')], 'hi'],
  ])('takes a byte order mark off the start of the stream only: %s', (_where, chunks, text) => {
    expect(decoded(chunks)).toBe(text);
  });

  it.each([
    ['windows-1252', Uint8Array.of(0x80), '€'],
    ['latin1', Uint8Array.of(0xe9), 'é'],
    ['utf-16le', Uint8Array.of(0x41, 0x00, 0x3d, 0xd8, 0x00, 0xde), 'A😀'],
    ['UTF8', Uint8Array.of(0xc3, 0xa9), 'é'],
    ['shift_jis', Uint8Array.of(0x82, 0xa0), 'あ'],
  ])('knows the label %s', (label, data, text) => {
    expect(
      decoded(
        [...data].map((byte) => Uint8Array.of(byte)),
        label,
      ),
    ).toBe(text);
  });

  it.each(['no-such-encoding', '', 'buffer', 'utf-8\0', 5, null, {}])(
    'throws at once for %p, which is no label',
    (label) => {
      expect(() => decode(label as string)).toThrow(SandboxValidationError);
    },
  );

  it.each(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'shift_jis', 'big5', 'euc-kr'])(
    'gives for any bytes, cut anywhere, what TextDecoder gives for the whole: %s',
    (label) => {
      fc.assert(
        fc.property(awkwardBytes, places, (whole, where) => {
          expect(decoded(cut(whole, where), label)).toBe(textOf(whole, label));
        }),
        { numRuns: label === 'utf-8' ? 1000 : 100 },
      );
    },
  );

  it.each([
    ['gb18030', Uint8Array.of(0x81, 0x30), Uint8Array.of(0x00)],
    ['euc-jp', Uint8Array.of(0x8f, 0xa1), Uint8Array.of(0x00)],
    ['iso-2022-jp', Uint8Array.of(0x1b, 0x24), Uint8Array.of(0x00)],
  ])('goes on after malformed %s at which the TextDecoder of Node throws', (label, ...chunks) => {
    expect(decoded([...chunks, bytes('go on')], label)).toMatch(/^\uFFFD.*go on$/s);
  });

  itObeysTheOperatorLaws(() => decode(), { value: bytes('né'), emitted: 'né' });
});
