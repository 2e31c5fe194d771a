// @ts-check
// Processes that are composed: 1 GiB through three commands, and a million lines that are answered one by one.
import { spawn, spawnSync } from 'node:child_process';
import { alternate, inChildren, ours, quick } from './harness.js';
import { mebibyte, pipes, streamedBytes } from './streams.js';

const lineCount = quick ? 100_000 : 1_000_000;
const jq = ['jq', '-c', '.'];

/** @param {() => Promise<number>} work Gives how much it did of what is counted. */
function timed(work) {
  return async () => {
    const start = performance.now();
    const done = await work();
    const seconds = (performance.now() - start) / 1000;
    return { value: done / seconds, 'RSS MiB': process.resourceUsage().maxRSS / 1024 };
  };
}

/** @param {(sandbox: any) => Promise<number>} work */
function inSandbox(work) {
  return async () => {
    const { plainSandbox } = await import('./library.js');
    const sandbox = await plainSandbox();
    try {
      return await timed(() => work(sandbox))();
    } finally {
      await sandbox.delete();
    }
  };
}

/**
 * @param {import('rxjs').Observable<any>} source
 * @param {(value: any) => number} size
 * @returns {Promise<number>}
 */
function total(source, size) {
  return new Promise((resolve, reject) => {
    let sum = 0;
    source.subscribe({
      next: (value) => (sum += size(value)),
      error: reject,
      complete: () => resolve(sum),
    });
  });
}

/** @param {import('node:child_process').ChildProcess} child @param {(chunk: Buffer) => number} size */
function read(child, size) {
  return new Promise((resolve) => {
    let sum = 0;
    child.stdout?.on('data', (chunk) => (sum += size(chunk)));
    child.once('close', () => resolve(sum));
  });
}

const source = ['head', '-c', String(streamedBytes), '/dev/zero'];
const megabytes = (/** @type {number} */ bytes) => bytes / mebibyte;

async function byShell() {
  const child = spawn('sh', ['-c', `${source.join(' ')} | cat | cat`], pipes);
  return megabytes(await read(child, ({ length }) => length));
}

async function byNode() {
  const first = spawn(source[0] ?? '', source.slice(1), pipes);
  const second = spawn('cat', [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const third = spawn('cat', [], { stdio: ['pipe', 'pipe', 'inherit'] });
  first.stdout.pipe(second.stdin);
  second.stdout.pipe(third.stdin);
  return megabytes(await read(third, ({ length }) => length));
}

/** @param {any} sandbox */
async function byPipeline(sandbox) {
  const { pipeProcesses, stdout } = await import('sandbox-rx');
  const stages = [source, ['cat'], ['cat']].map((command) => ({ sandbox, command }));
  const [first, ...rest] = stages;
  if (first === undefined) throw new Error('there are three');
  const bytes$ = pipeProcesses(first, ...rest)
    .exec$()
    .pipe(stdout());
  return megabytes(await total(bytes$, ({ length }) => length));
}

function* requests() {
  for (let n = 0; n < lineCount; n++) yield `{"n":${n},"name":"item"}`;
}

/** Written in pieces of 64 KiB, no faster than they are taken. */
async function onceByNode() {
  const [file = '', ...args] = jq;
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = read(child, countLines);
  let batch = '';
  for (const request of requests()) {
    batch += `${request}\n`;
    if (batch.length < 65_536) continue;
    if (!child.stdin.write(batch))
      await new Promise((resolve) => child.stdin.once('drain', resolve));
    batch = '';
  }
  child.stdin.end(batch);
  return lines;
}

/** @param {Buffer} chunk */
function countLines(chunk) {
  let count = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count++;
  return count;
}

/** @param {number} concurrency */
function mapped(concurrency) {
  return async (/** @type {any} */ sandbox) => {
    const { mapThrough } = await import('sandbox-rx');
    return total(mapThrough(sandbox, jq, { concurrency })(requests()), () => 1);
  };
}

const [shell, once] = ["the shell's, read by spawn", 'jq once, fed by spawn'];
const piped = {
  [shell]: timed(byShell),
  'pipe() of Node': timed(byNode),
  [ours]: inSandbox(byPipeline),
};
const answered = {
  [once]: timed(onceByNode),
  [`${ours}, 1 process`]: inSandbox(mapped(1)),
  [`${ours}, 2 processes`]: inSandbox(mapped(2)),
};

export const variants = { ...piped, ...answered };

export async function run() {
  const measures = [
    await alternate({
      measure: `${megabytes(streamedBytes)} MiB through head | cat | cat`,
      unit: 'MiB/s',
      better: 'higher',
      reference: shell,
      target: `at least 0.4 of ${shell}`,
      rounds: quick ? 1 : 5,
      warmUp: !quick,
      variants: inChildren(import.meta.url, Object.keys(piped), {}),
    }),
  ];
  if (spawnSync('jq', ['--version']).status !== 0) {
    console.log('\nmapThrough is not measured: jq is not installed (apt-get install jq)');
    return measures;
  }
  measures.push(
    await alternate({
      measure: `${lineCount} small lines, answered by jq -c .`,
      unit: 'lines/s',
      better: 'higher',
      reference: once,
      target: `2 processes: at least 1.6 times ${once}, with a core for each`,
      rounds: quick ? 1 : 5,
      warmUp: !quick,
      variants: inChildren(import.meta.url, Object.keys(answered), {}),
    }),
  );
  return measures;
}
