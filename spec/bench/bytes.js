// @ts-check
// 1 GiB of zeros as bytes.
import { spawn } from 'node:child_process';
import { alternate, inChildren, ours, quick } from './harness.js';
import {
  inSandbox,
  lateness,
  mebibyte,
  pipes,
  streamedBytes,
  timed,
  timedAlone,
} from './streams.js';

/** @param {string[]} command */
const split = ([file = '', ...args]) => /** @type {const} */ ([file, args]);

/** @param {string[]} command */
function raw(command) {
  const [file, args] = split(command);
  const child = spawn(file, args, pipes);
  let bytes = 0;
  child.stdout.on('data', (chunk) => {
    bytes += chunk.length;
  });
  return new Promise((resolve) => child.on('close', () => resolve(bytes)));
}

/**
 * @param {(sandbox: any, command: string[]) => import('rxjs').Observable<any>} events
 * @returns {(sandbox: any, command: string[]) => Promise<number>}
 */
function observed(events) {
  return (sandbox, command) =>
    new Promise((resolve, reject) => {
      let bytes = 0;
      events(sandbox, command).subscribe({
        next: (event) => {
          if (event.type === 'stdout') bytes += event.data.length;
        },
        error: reject,
        complete: () => resolve(bytes),
      });
    });
}

const coldEvents = observed((sandbox, command) => sandbox.exec$(command));
const events = observed((sandbox, command) => sandbox.exec(command).events$);

/** @type {(sandbox: any, command: string[]) => Promise<number>} */
async function read(sandbox, command) {
  let bytes = 0;
  for await (const chunk of sandbox.exec(command, { encoding: 'buffer' }).stdout) {
    bytes += chunk.length;
  }
  return bytes;
}

/** @param {string[]} command */
async function byExeca(command) {
  const { execa } = await import('execa');
  const [file, args] = split(command);
  const child = execa(file, args, { stdin: 'ignore', buffer: false, encoding: 'buffer' });
  let bytes = 0;
  child.stdout.on('data', (chunk) => {
    bytes += chunk.length;
  });
  await child;
  return bytes;
}

/** By its own iterator, not by the stream of Node that it hands out. @param {string[]} command */
async function byExecaIterable(command) {
  const { execa } = await import('execa');
  const [file, args] = split(command);
  const child = execa(file, args, { stdin: 'ignore', buffer: false, encoding: 'buffer' });
  let bytes = 0;
  for await (const chunk of child.iterable({ binary: true })) bytes += chunk.length;
  return bytes;
}

/** It gives strings only; in this encoding they lose nothing. @param {string[]} command */
async function bySpawnRx(command) {
  const { spawn } = await import('spawn-rx');
  const [file, args] = split(command);
  let bytes = 0;
  await spawn(file, args, { ...pipes, split: true, encoding: 'latin1' }).forEach(({ text }) => {
    bytes += text.length;
  });
  return bytes;
}

/** @param {string[]} command */
async function byRxjsShell(command) {
  const { spawn } = await import('rxjs-shell');
  const [file, args] = split(command);
  let bytes = 0;
  await spawn(file, args, pipes).forEach(({ chunk }) => {
    bytes += chunk.length;
  });
  return bytes;
}

const timers = {
  'node: timer': lateness(raw),
  [`${ours} events$: timer`]: inSandbox(lateness, events),
  [`${ours} stdout: timer`]: inSandbox(lateness, read),
};

const throughput = {
  node: timed(raw),
  'node, nothing else loaded': timedAlone(raw),
  [`${ours} exec$`]: inSandbox(timed, coldEvents),
  [`${ours} events$`]: inSandbox(timed, events),
  [`${ours} stdout`]: inSandbox(timed, read),
  execa: timed(byExeca),
  'execa iterable': timed(byExecaIterable),
  'spawn-rx': timed(bySpawnRx),
  'rxjs-shell': timed(byRxjsShell),
};

export const variants = { ...timers, ...throughput };

export async function run() {
  const zeros = (/** @type {number} */ bytes) => ({
    command: ['head', '-c', String(bytes), '/dev/zero'],
    bytes,
    units: bytes,
  });
  const parameters = { warmUp: zeros(64 * mebibyte), timed: zeros(streamedBytes) };
  const about = { rounds: quick ? 3 : 9, warmUp: false };
  return [
    await alternate({
      ...about,
      measure: `${streamedBytes / mebibyte} MiB as bytes`,
      unit: 'MiB/s',
      better: 'higher',
      reference: 'node',
      target: 'at least 0.95 of node',
      variants: inChildren(import.meta.url, Object.keys(throughput), parameters),
    }),
    await alternate({
      ...about,
      measure: 'p99 lateness of a 10 ms timer meanwhile',
      unit: 'ms',
      better: 'lower',
      reference: 'node: timer',
      target: 'below 50 ms',
      variants: inChildren(import.meta.url, Object.keys(timers), parameters),
    }),
  ];
}
