// @ts-check
// What the benchmarks of streamed output share.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile, quick } from './harness.js';

export const mebibyte = 2 ** 20;

/** How much is streamed. */
export const streamedBytes = (quick ? 128 : 1024) * mebibyte;

/** @type {{ stdio: ['ignore', 'pipe', 'pipe'] }} */
export const pipes = { stdio: ['ignore', 'pipe', 'pipe'] };

/** @typedef {{ command: string[], bytes: number, units: number }} Stream A command that writes so much to stdout. */

/**
 * @typedef {(command: string[]) => Promise<number>} Consume Gives how many units it got: bytes, characters or lines.
 * @typedef {{ warmUp: Stream, timed: Stream }} Streams
 * @typedef {(streams: Streams) => Promise<import('./harness.js').Sample>} Variant
 */

/**
 * Times a consumer after a short warm-up, and checks that it got everything.
 *
 * All programs load the library, those of others too: how V8 collects the buffers that it reads into depends on what else
 * its heap holds, and can halve the speed of the same few lines.
 *
 * @param {Consume} consume
 * @returns {Variant} MiB a second.
 */
export function timed(consume) {
  return async (streams) => {
    await import('./library.js');
    return timedAlone(consume)(streams);
  };
}

/**
 * The same in a program that loads nothing else.
 *
 * @param {Consume} consume
 * @returns {Variant} MiB a second.
 */
export function timedAlone(consume) {
  return async ({ warmUp, timed: stream }) => {
    await expectAll(consume, warmUp);
    const cpu = process.cpuUsage();
    const start = performance.now();
    await expectAll(consume, stream);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      value: stream.bytes / mebibyte / seconds,
      'CPU s/GiB': (user + system) / 1e6 / (stream.bytes / 2 ** 30),
      'RSS MiB': process.resourceUsage().maxRSS / 1024,
    };
  };
}

/**
 * How late a 10 ms timer is while a consumer is at work.
 *
 * @param {Consume} consume
 * @returns {Variant} The 99th percentile, in milliseconds.
 */
export function lateness(consume) {
  return async ({ warmUp, timed: stream }) => {
    await expectAll(consume, warmUp);
    const periodMs = 10;
    /** @type {number[]} */
    const late = [];
    let due = performance.now() + periodMs;
    const tick = () => {
      late.push(performance.now() - due);
      due = performance.now() + periodMs;
      timer = setTimeout(tick, periodMs);
    };
    let timer = setTimeout(tick, periodMs);
    await expectAll(consume, stream);
    clearTimeout(timer);
    return { value: quantile(late, 0.99), 'max ms': Math.max(...late), ticks: late.length };
  };
}

/**
 * A consumer of our own: the sandbox is there before the time is taken.
 *
 * @param {(consume: Consume) => Variant} measured
 * @param {(sandbox: any, command: string[]) => Promise<number>} consume
 * @returns {Variant}
 */
export function inSandbox(measured, consume) {
  return async (streams) => {
    const { plainSandbox } = await import('./library.js');
    const sandbox = await plainSandbox();
    try {
      return await measured((command) => consume(sandbox, command))(streams);
    } finally {
      await sandbox.delete();
    }
  };
}

/**
 * @param {Consume} consume
 * @param {Stream} stream
 */
async function expectAll(consume, { command, units }) {
  const got = await consume(command);
  if (got !== units) throw new Error(`${got} of ${units} units arrived`);
}

/**
 * Calls `work` with a command that writes a line over and over, and removes what it needed afterwards. The text comes
 * from a file in the page cache: `yes | head` would take longer to write it than the readers take to read it.
 *
 * @template T
 * @param {string} line
 * @param {(stream: (bytes: number, unit: 'characters' | 'lines') => Stream) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withText(line, work) {
  const folder = mkdtempSync(join(tmpdir(), 'sandbox-rx-bench-'));
  const file = join(folder, 'text');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const lineBytes = Buffer.byteLength(line) + 1;
  const repeats = Math.floor((16 * mebibyte) / lineBytes);
  writeFileSync(file, `${line}\n`.repeat(repeats));
  try {
    return await work((bytes, unit) => {
      const files = Math.ceil(bytes / (16 * mebibyte));
      const units = unit === 'lines' ? 1 : line.length + 1;
      return {
        command: ['cat', ...Array.from({ length: files }, () => file)],
        bytes: files * repeats * lineBytes,
        units: files * repeats * units,
      };
    });
  } finally {
    process.off('exit', remove);
    remove();
  }
}

export const asciiLine =
  '2026-11-22T21:57:51.123Z INFO request served path=/v1/items status=200 ms=12345';

export const unicodeLine =
  '2026年11月22日 Größe geprüft: 12 µm, façade naïve, цена 100 ₽ — всё хорошо 🙂 état';
