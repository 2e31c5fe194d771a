// @ts-check
// An endless source at full speed, and a process that reads a few MiB a second: how much memory grows.
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { alternate, inChildren, ours, quick } from './harness.js';
import { plainSandbox, through } from './library.js';
import { memory } from './servers.js';

/** @typedef {{ readonly seconds: number }} Time */

const slow = ['sh', '-c', 'while dd bs=65536 count=1 of=/dev/null 2>&-; do echo; sleep 0.01; done'];
const line = 'x'.repeat(1023);

function* endless() {
  for (;;) yield line;
}

/** How much more memory there is at the worst in the last five sixths of a time than in the first. @param {Time} time */
async function growth({ seconds }) {
  const settledAfter = seconds / 6;
  const samples = { before: 0, after: 0 };
  for (let second = 0; second < seconds; second += 0.1) {
    await sleep(100);
    const part = second < settledAfter ? 'before' : 'after';
    samples[part] = Math.max(samples[part], memory().now);
  }
  return { value: samples.after - samples.before, 'RSS MiB': samples.after };
}

/** @param {Time} time */
async function byNode(time) {
  const child = spawn(slow[0] ?? '', slow.slice(1), { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdout.resume();
  child.stdin.on('error', () => undefined);
  const lines = Readable.from(endless());
  lines.pipe(child.stdin);
  const grown = await growth(time);
  child.kill();
  lines.destroy();
  return grown;
}

/** @param {Iterable<string> | Observable<string>} source */
function into(source) {
  return async (/** @type {Time} */ time) => {
    const sandbox = await plainSandbox();
    const output$ = through(sandbox, slow, { overflow: 'dropOldest' })(source);
    const reading = output$.subscribe();
    const grown = await growth(time);
    reading.unsubscribe();
    await sandbox.delete();
    return grown;
  };
}

/** It cannot be made to wait: a thousand lines in each turn. */
const pushed$ = new Observable((/** @type {import('rxjs').Subscriber<string>} */ subscriber) => {
  let timer = setImmediate(function push() {
    for (let n = 0; n < 1000; n++) subscriber.next(line);
    timer = setImmediate(push);
  });
  return () => clearImmediate(timer);
});

export const variants = {
  'node: pipe()': byNode,
  [`${ours} through, pulled`]: into(endless()),
  [`${ours} through, pushed and dropped`]: into(pushed$),
};

export async function run() {
  const seconds = quick ? 6 : 60;
  return [
    await alternate({
      measure: `memory that an endless source into a slow process adds in ${seconds} s, once it has settled`,
      unit: 'MiB',
      better: 'lower',
      reference: 'node: pipe()',
      target: 'flat',
      rounds: 1,
      warmUp: false,
      variants: inChildren(import.meta.url, Object.keys(variants), { seconds }),
    }),
  ];
}
