// @ts-check
// What isolation costs: a command in a bubblewrap sandbox.
import { spawn } from 'node:child_process';
import { alternate, median, ours, quick } from './harness.js';
import { localBackend, SandboxClient } from './library.js';

const bubblewrap = ['--ro-bind', '/', '/', '--unshare-all', 'true'];

/** @returns {Promise<number | null>} */
function raw() {
  const child = spawn('bwrap', bubblewrap, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.resume();
  child.stderr.resume();
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

/**
 * @param {() => Promise<number | null>} once Gives the exit status.
 * @returns {() => Promise<import('./harness.js').Sample>} Milliseconds.
 */
function latency(once) {
  return async () => {
    /** @type {number[]} */
    const taken = [];
    for (let i = 0; i < 10; i++) {
      const start = performance.now();
      const returncode = await once();
      taken.push(performance.now() - start);
      if (returncode !== 0) throw new Error(`exit status ${returncode}`);
    }
    return { value: median(taken) };
  };
}

export async function run() {
  const client = new SandboxClient(localBackend());
  const sandbox = await client.create();
  const measure = await alternate({
    measure: '`true` in a bubblewrap sandbox, one at a time',
    unit: 'ms',
    better: 'lower',
    reference: 'bwrap true',
    target: 'exec at most 3 ms more than bwrap true',
    rounds: quick ? 3 : 15,
    variants: {
      'bwrap true': latency(raw),
      [`${ours} exec`]: latency(() => sandbox.exec(['true']).wait()),
      [`${ours} create + exec + delete`]: latency(async () => {
        const fresh = await client.create();
        const returncode = await fresh.exec(['true']).wait();
        await fresh.delete();
        return returncode;
      }),
    },
  });
  await sandbox.delete();
  return [measure];
}
