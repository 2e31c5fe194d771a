// @ts-check
// What the benchmarks share: alternating the variants, medians, child processes with a clean heap, tables.
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{ readonly value: number, readonly [extra: string]: number }} Sample What one turn of a variant measured.
 * @typedef {() => Promise<Sample> | Sample} Turn
 *
 * @typedef {object} Row
 * @property {string} variant
 * @property {number} median
 * @property {number} min
 * @property {number} max
 * @property {number} ratio Median, over the rounds, of this variant to the reference of the same round.
 * @property {number} difference The same, of this variant less the reference.
 * @property {Record<string, number>} extras Medians of what was measured besides.
 *
 * @typedef {object} Measure
 * @property {string} measure What was measured.
 * @property {string} unit
 * @property {'higher' | 'lower'} better
 * @property {string} reference The variant that the others are compared with.
 * @property {string} [target] What the library's own variants are to reach.
 * @property {number} rounds
 * @property {readonly Row[]} rows
 */

/** Whether sizes and rounds are small: for trying the benchmarks, not for figures. */
export const quick = process.argv.includes('--quick');

/** How many rounds were asked for with `--rounds=`, in place of each benchmark's own number. */
const rounds = Number(process.argv.find((word) => word.startsWith('--rounds='))?.slice(9) ?? NaN);

/** Name of the library's own variants: theirs begin with it. */
export const ours = 'sandbox-rx';

/**
 * Lets the variants take turns, so that what else the machine does meets all of them alike. The order of each round is
 * drawn, so that none always follows the same.
 *
 * @param {Omit<Measure, 'rounds' | 'rows'> & { rounds: number, warmUp?: boolean, variants: Record<string, Turn> }} options
 * @returns {Promise<Measure>}
 */
export async function alternate({ variants, warmUp = true, ...about }) {
  const wanted = Number.isNaN(rounds) ? about.rounds : rounds;
  const names = Object.keys(variants);
  /** @type {Map<string, Sample[]>} */
  const samples = new Map(names.map((name) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < wanted; round++) {
    for (const name of shuffled(names)) {
      const sample = await variants[name]?.();
      if (sample !== undefined && round >= 0) samples.get(name)?.push(sample);
    }
  }
  const against = (samples.get(about.reference) ?? []).map(({ value }) => value);
  const rows = names.map((name) => summary(name, samples.get(name) ?? [], against));
  const measure = { ...about, rounds: wanted, rows };
  show(measure);
  return measure;
}

/** @param {readonly string[]} names */
function shuffled(names) {
  return names
    .map((name) => ({ name, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ name }) => name);
}

/**
 * @param {string} variant
 * @param {readonly Sample[]} samples
 * @param {readonly number[]} against
 * @returns {Row}
 */
function summary(variant, samples, against) {
  const values = samples.map(({ value }) => value);
  const extras = Object.keys(samples[0] ?? {}).filter((name) => name !== 'value');
  return {
    variant,
    median: rounded(median(values)),
    min: rounded(Math.min(...values)),
    max: rounded(Math.max(...values)),
    ratio: rounded(median(values.map((value, round) => value / (against[round] ?? NaN)))),
    difference: rounded(median(values.map((value, round) => value - (against[round] ?? NaN)))),
    extras: Object.fromEntries(
      extras.map((name) => [name, rounded(median(samples.map((sample) => sample[name] ?? NaN)))]),
    ),
  };
}

/** @param {readonly number[]} values */
export function median(values) {
  return quantile(values, 0.5);
}

/**
 * @param {readonly number[]} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Four digits are more than the noise leaves. @param {number} value */
function rounded(value) {
  return Number(value.toPrecision(4));
}

/**
 * Times something that is done `count` times.
 *
 * @param {number} count
 * @param {() => unknown} work
 * @returns {Promise<Sample>} How many a second, and the processor's milliseconds for each, of this process alone.
 */
export async function perSecond(count, work) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { value: count / seconds, 'CPU ms each': (user + system) / 1000 / count };
}

/**
 * Runs one turn of a variant in a process of its own: `variants[name](parameters)` of a benchmark's module.
 *
 * @param {string} module The benchmark's `import.meta.url`.
 * @param {string} variant
 * @param {object} parameters
 * @param {readonly string[]} [flags] For node.
 * @returns {Promise<Sample>}
 */
export function inChild(module, variant, parameters, flags = []) {
  const child = fork(fileURLToPath(new URL('child.js', import.meta.url)), [module, variant], {
    execArgv: [...flags],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (/** @type {Sample} */ sample) => {
      resolve(sample);
      child.disconnect();
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`${variant} ended without a measurement (${signal ?? code})`));
    });
    child.send(parameters);
  });
}

/**
 * Each variant in processes of its own.
 *
 * @param {string} module
 * @param {readonly string[]} names
 * @param {object} parameters
 * @param {readonly string[]} [flags]
 * @returns {Record<string, Turn>}
 */
export function inChildren(module, names, parameters, flags) {
  return Object.fromEntries(
    names.map((name) => [name, () => inChild(module, name, parameters, flags)]),
  );
}

/** @param {Measure} measure */
function show({ measure, unit, better, reference, target, rounds, rows }) {
  const extras = Object.keys(rows[0]?.extras ?? {});
  const head = ['', `${unit}`, 'min', 'max', `/ ${reference}`, '- it', ...extras];
  const body = rows.map((row) => [
    row.variant,
    ...[row.median, row.min, row.max].map(shown),
    row.ratio.toFixed(2),
    shown(row.difference),
    ...extras.map((name) => shown(row.extras[name] ?? NaN)),
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...body].map((line) => line[column]?.length ?? 0)),
  );
  console.log(`\n${measure} (${better} is better; median of ${rounds} rounds)`);
  if (target !== undefined) console.log(`target: ${target}`);
  for (const line of [head, ...body]) {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(`  ${cells.join('  ')}`.trimEnd());
  }
}

/** @param {number} value */
function shown(value) {
  const digits =
    Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits);
}

/**
 * Writes what was measured to `results/`.
 *
 * @param {string} name
 * @param {readonly Measure[]} measures
 */
export function save(name, measures) {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const machine = {
    node: process.version,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
  };
  const result = { benchmark: name, date: new Date().toISOString(), quick, machine, measures };
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(result, null, 2)}\n`);
}
