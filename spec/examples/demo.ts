/**
 * `npm run demo`: a pipeline of sandboxed commands. One command streams numbers, their lines are gathered in batches,
 * four commands at a time factor the batches, and one more sorts what comes out, while the display follows.
 */
import {
  bufferCount,
  concatMap,
  firstValueFrom,
  from,
  last,
  map,
  mergeMap,
  scan,
  tap,
  type Observable,
} from 'rxjs';
import {
  lines,
  SandboxClient,
  SandboxError,
  stdout,
  type Sandbox,
  type SandboxBackend,
} from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { display } from './demo-display.js';

const total = 2000;
const batchSize = 100;
const concurrency = 4;

/** Numbers, a few at a time, as a slow program would print them. */
const generator = `i=0; while [ $i -lt ${total} ]; do seq $((1000000007 + i)) $((1000000026 + i)); i=$((i + 20)); sleep 0.01; done`;

/** Each line is `number: factor factor ...`, so a prime has two fields. */
function factored$(sandbox: Sandbox): Observable<readonly string[]> {
  return sandbox.exec$(['sh', '-c', generator]).pipe(
    stdout(),
    lines(),
    bufferCount(batchSize),
    mergeMap((numbers) => sandbox.run$(['factor', ...numbers], { check: true }), concurrency),
    map((result) => result.stdout.trimEnd().split('\n')),
  );
}

/** The largest primes among the numbers, sorted by a command as well. */
function largestPrimes$(sandbox: Sandbox): Observable<string> {
  return factored$(sandbox).pipe(
    map((found) =>
      found.filter((line) => line.split(' ').length === 2).map((line) => line.replace(/:.*/, '')),
    ),
    scan((progress, primes) => progress.add(primes), new Progress()),
    tap(({ batches, primes }) => {
      display.progress(batches * batchSize, total, `${primes.length} primes found`);
    }),
    last(),
    concatMap(({ primes }) =>
      sandbox.exec$(['sh', '-c', 'sort -n | tail -3'], {
        stdin: from(primes.map((prime) => `${prime}\n`)),
        check: true,
      }),
    ),
    stdout(),
    lines(),
  );
}

class Progress {
  batches = 0;
  readonly primes: string[] = [];

  add(primes: readonly string[]): this {
    this.batches++;
    this.primes.push(...primes);
    return this;
  }
}

/** What a command in a sandbox sees of this machine. */
async function lookAround(sandbox: Sandbox): Promise<void> {
  const count = async (script: string): Promise<string> =>
    (await sandbox.exec(['sh', '-c', script])).stdout.trim();
  display.line(
    `  its processes: ${await count('ls -d /proc/[0-9]* | wc -l')}, yours: not among them`,
  );
  display.line(`  its network:   ${await count('tail -n +3 /proc/net/dev | cut -d: -f1 | xargs')}`);
  display.line(
    `  its home:      ${await count('cd && pwd && ls -A | wc -l | xargs echo files:')}`.replace(
      '\n',
      ', ',
    ),
  );
}

/** A command that would run for ever, with a grandchild that wants to survive. */
async function killTree(sandbox: Sandbox): Promise<void> {
  const script = "trap '' TERM; setsid sleep 3600 & echo $!; sleep 3600";
  const process = sandbox.exec(['sh', '-c', script], { killGraceMs: 200 });
  const grandchild = await firstValueFrom(process.stdout$.pipe(lines({ maxLength: 20 })));
  process.cancel();
  await process.closed;
  // One that is dead may be listed until its parent takes note of it, in the state Z.
  const isAlive = ['grep', '-qs', '^State:.[RSDT]', `/proc/${grandchild}/status`];
  const { returncode } = await sandbox.exec(isAlive);
  display.line(
    `  cancelled; its grandchild in a session of its own is ${returncode === 0 ? 'ALIVE' : 'gone'}`,
  );
}

/** Bubblewrap where it is installed; otherwise this demo's own commands, which are trusted, run without. */
async function chooseBackend(): Promise<SandboxBackend> {
  const isolated = localBackend();
  try {
    const sandbox = await new SandboxClient(isolated).create();
    await sandbox.delete();
    return isolated;
  } catch (error) {
    if (!(error instanceof SandboxError) || error.code !== 'ERR_BACKEND_UNAVAILABLE') throw error;
    display.warn(error.message);
    display.warn("This demo's own commands are trusted, so it goes on with isolation: 'none'.");
    return localBackend({ isolation: 'none' });
  }
}

const backend = await chooseBackend();
const isolation = backend.capabilities.isolation ? 'bubblewrap' : 'none';
await using sandbox = await new SandboxClient(backend).create({ tags: ['demo'] });
display.heading(`A sandbox on this machine (isolation: ${isolation})`);
if (backend.capabilities.isolation) await lookAround(sandbox);

display.heading(`${total} numbers, streamed to ${concurrency} commands at a time`);
const primes: string[] = [];
await largestPrimes$(sandbox).forEach((prime) => primes.push(prime));
display.line(`  the largest primes: ${primes.join(', ')}`);

display.heading('A process tree that does not want to end');
await killTree(sandbox);
display.heading('Done.');
