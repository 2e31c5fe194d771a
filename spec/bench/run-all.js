// @ts-check
// Many commands, a few at a time: what `runAll` costs beside a loop, what a warm pool saves, and what a long queue takes.
import { execa } from 'execa';
import { lastValueFrom } from 'rxjs';
import { alternate, inChildren, ours, perSecond, quick } from './harness.js';
import {
  localBackend,
  plainSandbox,
  runAll,
  SandboxClient,
  SandboxPool,
  toSummary,
} from './library.js';
import { raw, repeat } from './spawn.js';

const program = '/bin/true';

/**
 * @param {readonly string[]} command
 * @param {number} count
 */
function times(command, count) {
  return Array.from({ length: count }, () => command);
}

/**
 * @param {readonly (readonly string[])[]} commands
 * @param {object} options
 */
async function all(commands, options) {
  const { succeeded } = await lastValueFrom(runAll(commands, options).pipe(toSummary()));
  if (succeeded !== commands.length) throw new Error(`${succeeded} of ${commands.length}`);
}

async function againstExeca() {
  const sandbox = await plainSandbox();
  const count = quick ? 64 : 2000;
  const measure = await alternate({
    measure: `\`${program}\`, ${count} of them, 8 at a time`,
    unit: '/s',
    better: 'higher',
    // The limit is by hand, which costs less than p-limit does.
    reference: 'execa, limited',
    target: 'at least 2 of execa',
    rounds: quick ? 3 : 9,
    variants: {
      'node, limited': () => perSecond(count, () => repeat(count, 8, raw)),
      'execa, limited': () =>
        perSecond(count, () => repeat(count, 8, () => execa(program, { stdin: 'ignore' }))),
      [`${ours} runAll`]: () =>
        perSecond(count, () => all(times([program], count), { sandbox, concurrency: 8 })),
    },
  });
  await sandbox.delete();
  return measure;
}

async function againstNoPool() {
  const client = new SandboxClient(localBackend());
  const pool = new SandboxPool(client, { min: 8, max: 8 });
  const count = quick ? 16 : 1000;
  const commands = times(['python3', '-c', 'pass'], count);
  const measure = await alternate({
    measure: `\`python3 -c pass\` in bubblewrap, ${count} of them, 8 at a time`,
    unit: '/s',
    better: 'higher',
    reference: `${ours} each in its own`,
    target: 'a pool at least 1.5 of none',
    rounds: quick ? 3 : 5,
    variants: {
      [`${ours} each in its own`]: () =>
        perSecond(count, () => all(commands, { client, concurrency: 8 })),
      [`${ours} pool of 8`]: () => perSecond(count, () => all(commands, { pool, concurrency: 8 })),
    },
  });
  await pool.close();
  return measure;
}

/** @param {() => Promise<unknown>} work */
async function queued(work) {
  const start = performance.now();
  await work();
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  return { value: performance.now() - start, 'peak MiB': peakMiB };
}

/** @typedef {{ readonly count: number }} Queue */

export const variants = {
  /** @param {Queue} queue */
  node: ({ count }) => queued(() => repeat(count, 64, raw)),
  /** @param {Queue} queue */
  [`${ours} runAll`]: async ({ count }) => {
    const sandbox = await plainSandbox();
    const sample = await queued(() => all(times([program], count), { sandbox, concurrency: 64 }));
    await sandbox.delete();
    return sample;
  },
};

async function longQueue() {
  const count = quick ? 200 : 10_000;
  return alternate({
    measure: `\`${program}\`, ${count} queued, 64 at a time, milliseconds for all`,
    unit: 'ms',
    better: 'lower',
    reference: 'node',
    target: `at most ${0.3 * count} ms and 30 MiB more than node`,
    rounds: quick ? 1 : 5,
    warmUp: false,
    variants: inChildren(import.meta.url, Object.keys(variants), { count }),
  });
}

export async function run() {
  return [await againstExeca(), await againstNoPool(), await longQueue()];
}
