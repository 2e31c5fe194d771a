// @ts-check
// Processes a second: `/bin/true` with captured output.
import { spawn } from 'node:child_process';
import { execa } from 'execa';
import { lastValueFrom, reduce } from 'rxjs';
import * as rxjsShell from 'rxjs-shell';
import * as spawnRx from 'spawn-rx';
import { alternate, ours, perSecond, quick } from './harness.js';
import { plainSandbox } from './library.js';

const program = '/bin/true';

/** @returns {Promise<{ code: number | null, stdout: string, stderr: string }>} */
export function raw() {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], { stdio: ['ignore', 'pipe', 'pipe'] });
    /** @type {Buffer[]} */
    const stdout = [];
    /** @type {Buffer[]} */
    const stderr = [];
    child.stdout.on('data', (chunk) => stdout.push(chunk));
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({
        code,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** @param {any} sandbox */
export async function captured(sandbox) {
  const { returncode, stdout, stderr } = await sandbox.exec([program]).result();
  return { code: returncode, stdout, stderr };
}

/**
 * @param {number} count
 * @param {number} concurrency
 * @param {() => Promise<unknown>} once
 */
export async function repeat(count, concurrency, once) {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

export async function run() {
  const sandbox = await plainSandbox();
  /** @type {Record<string, () => Promise<unknown>>} */
  const ways = {
    node: raw,
    [ours]: () => captured(sandbox),
    execa: () => execa(program, { stdin: 'ignore' }),
    'spawn-rx': () =>
      lastValueFrom(
        spawnRx
          .spawn(program, [], { split: true, stdio: ['ignore', 'pipe', 'pipe'] })
          .pipe(reduce((all, { text }) => all + text, '')),
      ),
    'rxjs-shell': () =>
      lastValueFrom(
        rxjsShell
          .spawn(program, [], { stdio: ['ignore', 'pipe', 'pipe'] })
          .pipe(reduce((all, { chunk }) => all + chunk.toString(), '')),
      ),
  };
  // What is compiled while it is measured would be measured as well: V8 goes on for a thousand runs and more.
  for (const once of Object.values(ways)) await repeat(quick ? 64 : 2048, 8, once);
  const measures = [];
  for (const concurrency of [1, 8, 64]) {
    // Short turns and many: the machine's pace changes from one second to the next.
    const count = Math.max(32, 2 * concurrency);
    measures.push(
      await alternate({
        measure: `processes a second, ${concurrency} at a time`,
        unit: '/s',
        better: 'higher',
        reference: 'node',
        target: 'at least 0.95 of node',
        rounds: quick ? 3 : 3840 / count,
        variants: Object.fromEntries(
          Object.entries(ways).map(([name, once]) => [
            name,
            () => perSecond(count, () => repeat(count, concurrency, once)),
          ]),
        ),
      }),
    );
  }
  await sandbox.delete();
  return measures;
}
