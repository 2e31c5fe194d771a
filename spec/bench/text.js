// @ts-check
// 1 GiB of text, decoded.
import { spawn } from 'node:child_process';
import { alternate, inChildren, ours, quick } from './harness.js';
import {
  asciiLine,
  inSandbox,
  mebibyte,
  pipes,
  streamedBytes,
  timed,
  unicodeLine,
  withText,
} from './streams.js';

/** @param {string[]} command */
function raw([file = '', ...args]) {
  const child = spawn(file, args, pipes);
  const decoder = new TextDecoder();
  let characters = 0;
  child.stdout.on('data', (chunk) => {
    characters += decoder.decode(chunk, { stream: true }).length;
  });
  return new Promise((resolve) => {
    child.on('close', () => resolve(characters + decoder.decode().length));
  });
}

/** @type {(sandbox: any, command: string[]) => Promise<number>} */
function observe(sandbox, command) {
  return new Promise((resolve, reject) => {
    let characters = 0;
    sandbox.exec(command).stdout$.subscribe({
      next: (/** @type {string} */ text) => {
        characters += text.length;
      },
      error: reject,
      complete: () => resolve(characters),
    });
  });
}

/** @type {(sandbox: any, command: string[]) => Promise<number>} */
async function read(sandbox, command) {
  let characters = 0;
  for await (const text of sandbox.exec(command).stdout) characters += text.length;
  return characters;
}

/** @param {string[]} command */
async function byExeca([file = '', ...args]) {
  const { execa } = await import('execa');
  const child = execa(file, args, { stdin: 'ignore', buffer: false });
  let characters = 0;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    characters += text.length;
  });
  await child;
  return characters;
}

/** @param {string[]} command */
async function bySpawnRx([file = '', ...args]) {
  const { spawn } = await import('spawn-rx');
  let characters = 0;
  await spawn(file, args, { ...pipes, split: true }).forEach(({ text }) => {
    characters += text.length;
  });
  return characters;
}

const reference = 'node + TextDecoder';

const lossless = {
  [reference]: timed(raw),
  [`${ours} stdout$`]: inSandbox(timed, observe),
  [`${ours} stdout`]: inSandbox(timed, read),
  execa: timed(byExeca),
};

export const variants = { ...lossless, 'spawn-rx': timed(bySpawnRx) };

export async function run() {
  const measures = [];
  for (const { kind, line, target, names } of [
    {
      kind: 'ASCII text',
      line: asciiLine,
      target: 'at least 1.5 times node + TextDecoder',
      names: Object.keys(variants),
    },
    // spawn-rx breaks characters, so that it is not there to be compared.
    {
      kind: 'text in many scripts',
      line: unicodeLine,
      target: 'not slower than node + TextDecoder',
      names: Object.keys(lossless),
    },
  ]) {
    measures.push(
      await withText(line, (stream) =>
        alternate({
          measure: `${streamedBytes / mebibyte} MiB of ${kind}`,
          unit: 'MiB/s',
          better: 'higher',
          reference,
          target,
          rounds: quick ? 3 : 9,
          warmUp: false,
          variants: inChildren(import.meta.url, names, {
            warmUp: stream(64 * mebibyte, 'characters'),
            timed: stream(streamedBytes, 'characters'),
          }),
        }),
      ),
    );
  }
  return measures;
}
