// @ts-check
// The most memory that a reader needs who takes 1 ms a chunk, while a process writes as fast as it can.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { concatMap, fromEvent, takeUntil } from 'rxjs';
import { alternate, inChildren, ours, quick } from './harness.js';
import { mebibyte, pipes } from './streams.js';

const producedBytes = (quick ? 64 : 256) * mebibyte;
const file = 'head';
const args = ['-c', String(producedBytes), '/dev/zero'];

async function slow() {
  await sleep(1);
}

/**
 * @param {() => Promise<number>} consume Gives how many bytes or characters it got.
 * @returns {() => Promise<import('./harness.js').Sample>} The high-water mark of the resident set, in MiB.
 */
function peak(consume) {
  return async () => {
    const start = performance.now();
    const got = await consume();
    const seconds = (performance.now() - start) / 1000;
    const kibibytes = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return {
      value: Number(kibibytes) / 1024,
      'MiB lost': (producedBytes - got) / mebibyte,
      'MiB/s': got / mebibyte / seconds,
    };
  };
}

async function raw() {
  const child = spawn(file, args, pipes);
  let bytes = 0;
  for await (const chunk of child.stdout) {
    bytes += chunk.length;
    await slow();
  }
  return bytes;
}

/** Loads what it needs of the library and no more, for that counts too. @param {object} options */
function reader(options) {
  return async () => {
    const { SandboxClient } = await import('sandbox-rx');
    const { localBackend } = await import('sandbox-rx/node');
    const sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    let bytes = 0;
    for await (const chunk of sandbox.exec([file, ...args], { encoding: 'buffer', ...options })
      .stdout) {
      bytes += chunk.length;
      await slow();
    }
    await sandbox.delete();
    return bytes;
  };
}

async function plainOperators() {
  const child = spawn(file, args, pipes);
  let bytes = 0;
  await fromEvent(child.stdout, 'data')
    .pipe(
      takeUntil(fromEvent(child, 'close')),
      concatMap(async (chunk) => {
        bytes += /** @type {Buffer} */ (chunk).length;
        await slow();
      }),
    )
    .forEach(() => {});
  return bytes;
}

async function bySpawnRx() {
  const rx = await import('spawn-rx');
  let bytes = 0;
  await rx
    .spawn(file, args, { ...pipes, split: true, encoding: 'latin1' })
    .pipe(
      concatMap(async ({ text }) => {
        bytes += text.length;
        await slow();
      }),
    )
    .forEach(() => {});
  return bytes;
}

const reference = 'node for await';

export const variants = {
  [reference]: peak(raw),
  [`${ours} stdout`]: peak(reader({})),
  [`${ours} stdout, retainBytes 1 MiB`]: peak(reader({ retainBytes: mebibyte })),
  'RxJS operators': peak(plainOperators),
  'spawn-rx': peak(bySpawnRx),
};

export async function run() {
  return [
    await alternate({
      measure: `peak memory, ${producedBytes / mebibyte} MiB to a reader who takes 1 ms a chunk`,
      unit: 'MiB',
      better: 'lower',
      reference,
      target: `at most 10 MiB more than ${reference}, nothing lost`,
      rounds: quick ? 2 : 5,
      warmUp: false,
      variants: inChildren(import.meta.url, Object.keys(variants), {}),
    }),
  ];
}
