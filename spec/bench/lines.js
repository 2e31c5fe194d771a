// @ts-check
// 1 GiB of text, line by line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { concatMap, filter, from, fromEvent, map, scan, takeUntil } from 'rxjs';
import { alternate, inChildren, ours, quick } from './harness.js';
import {
  asciiLine,
  inSandbox,
  mebibyte,
  pipes,
  streamedBytes,
  timed,
  withText,
} from './streams.js';

/** @param {string[]} command */
function raw([file = '', ...args]) {
  const child = spawn(file, args, pipes);
  const decoder = new TextDecoder();
  let rest = '';
  let lines = 0;
  const take = (/** @type {string} */ line) => {
    if (line.length > 0) lines++;
  };
  child.stdout.on('data', (chunk) => {
    const text = rest + decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', start)) {
      take(text.slice(start, at));
      start = at + 1;
    }
    rest = text.slice(start);
  });
  return new Promise((resolve) => child.on('close', () => resolve(lines)));
}

/** @type {(sandbox: any, command: string[]) => Promise<number>} */
async function observe(sandbox, command) {
  const { lines, stdout } = await import('./library.js');
  return count(sandbox.exec$(command).pipe(stdout(), lines()));
}

/** @type {(sandbox: any, command: string[]) => Promise<number>} */
async function read(sandbox, command) {
  let lines = 0;
  for await (const line of sandbox.exec(command).stdout.lines()) if (line.length > 0) lines++;
  return lines;
}

/** As it is usually written. @param {string[]} command */
function plainOperators([file = '', ...args]) {
  const child = spawn(file, args, pipes);
  const decoder = new TextDecoder();
  /** @type {{ rest: string, lines: string[] }} */
  const start = { rest: '', lines: [] };
  return count(
    fromEvent(child.stdout, 'data').pipe(
      takeUntil(fromEvent(child, 'close')),
      map((chunk) => decoder.decode(/** @type {Buffer} */ (chunk), { stream: true })),
      scan(({ rest }, text) => {
        const lines = (rest + text).split('\n');
        return { rest: lines.pop() ?? '', lines };
      }, start),
      concatMap(({ lines }) => from(lines)),
    ),
  );
}

/**
 * @param {import('rxjs').Observable<string>} lines$
 * @returns {Promise<number>}
 */
function count(lines$) {
  return new Promise((resolve, reject) => {
    let lines = 0;
    lines$.pipe(filter((line) => line.length > 0)).subscribe({
      next: () => {
        lines++;
      },
      error: reject,
      complete: () => resolve(lines),
    });
  });
}

/** @param {string[]} command */
function byReadline([file = '', ...args]) {
  const child = spawn(file, args, pipes);
  let lines = 0;
  const reader = createInterface({ input: child.stdout, crlfDelay: Infinity });
  reader.on('line', (line) => {
    if (line.length > 0) lines++;
  });
  return new Promise((resolve) => reader.on('close', () => resolve(lines)));
}

/** @param {string[]} command */
async function byExeca([file = '', ...args]) {
  const { execa } = await import('execa');
  let lines = 0;
  for await (const line of execa(file, args, { stdin: 'ignore', buffer: false })) {
    if (line.length > 0) lines++;
  }
  return lines;
}

const reference = 'node + TextDecoder + indexOf';

export const variants = {
  [reference]: timed(raw),
  [`${ours} lines()`]: inSandbox(timed, observe),
  [`${ours} stdout.lines()`]: inSandbox(timed, read),
  'RxJS operators': timed(plainOperators),
  readline: timed(byReadline),
  execa: timed(byExeca),
};

export function run() {
  return withText(asciiLine, async (stream) => [
    await alternate({
      measure: `${streamedBytes / mebibyte} MiB of ASCII text as lines of ${asciiLine.length} characters`,
      unit: 'MiB/s',
      better: 'higher',
      reference,
      target: `at least 1.2 times ${reference}`,
      rounds: quick ? 3 : 7,
      warmUp: false,
      variants: inChildren(import.meta.url, Object.keys(variants), {
        warmUp: stream(64 * mebibyte, 'lines'),
        timed: stream(streamedBytes, 'lines'),
      }),
    }),
  ]);
}
