// @ts-check
// How starting processes slows down as the memory of the program that starts them grows.
import { alternate, inChildren, ours, perSecond, quick } from './harness.js';
import { plainSandbox } from './library.js';
import { captured, raw, repeat } from './spawn.js';

const count = quick ? 32 : 128;

/**
 * @param {() => Promise<unknown>} once
 * @param {number} mebibytes
 */
async function withHeap(once, mebibytes) {
  const ballast = Array.from({ length: mebibytes }, () => new Array(131_072).fill(0.5));
  // As often again: a young program also compiles while it starts processes.
  await repeat(count, 8, once);
  const sample = await perSecond(count, () => repeat(count, 8, once));
  if (ballast.length !== mebibytes) throw new Error('the ballast is gone');
  return { ...sample, 'RSS MiB': process.memoryUsage.rss() / 2 ** 20 };
}

export const variants = {
  node: (/** @type {{ mebibytes: number }} */ { mebibytes }) => withHeap(raw, mebibytes),
  [ours]: async (/** @type {{ mebibytes: number }} */ { mebibytes }) => {
    const sandbox = await plainSandbox();
    const sample = await withHeap(() => captured(sandbox), mebibytes);
    await sandbox.delete();
    return sample;
  },
};

export async function run() {
  const measures = [];
  for (const mebibytes of [0, 128, 256, 512]) {
    measures.push(
      await alternate({
        measure: `processes a second, 8 at a time, from a program with ${mebibytes} MiB of heap in use`,
        unit: '/s',
        better: 'higher',
        reference: 'node',
        rounds: quick ? 2 : 7,
        warmUp: false,
        variants: inChildren(import.meta.url, Object.keys(variants), { mebibytes }),
      }),
    );
  }
  return measures;
}
