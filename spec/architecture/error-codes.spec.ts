import { describe, expect, it } from '@jest/globals';
import { read } from '../support/repository.js';

function codesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, code = '']) => code);
}

const declared = codesIn(read('lib/process/errors/sandbox-error.ts'), /^ {2}\| '(ERR_\w+)'/gm);
const page = read('lib/process/errors/README.md');

describe('the errors page', () => {
  it('has a row for every code, in order, and for no other', () => {
    expect(declared.length).toBeGreaterThan(10);
    expect(codesIn(page, /^\| `(ERR_\w+)`/gm)).toEqual(declared);
  });

  it('names no code that does not exist', () => {
    expect(codesIn(page, /(ERR_\w+)/g).filter((code) => !declared.includes(code))).toEqual([]);
  });

  it('is complete: each row says what it means and what to do', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `ERR_'));
    const words = rows.map((row) => row.split('|').slice(3, 5));
    expect(words.flat().filter((cell) => cell.trim().length < 15)).toEqual([]);
    expect(words).toHaveLength(declared.length);
  });
});
