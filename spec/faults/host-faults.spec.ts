import { afterEach, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectionLostError, type Process } from 'sandbox-rx';
import { childrenOf } from '../../lib/backends/local/process-tree.js';
import { describeWithBubblewrap } from '../backends/local/bubblewrap.js';
import { processesWith, uniqueWord } from '../backends/local/host.js';
import { startServing } from '../cli/serving.js';
import { elapsed, eventually, failureOf } from '../contract/kit.js';
import { Harness } from '../host/harness.js';
import { metricsUntil } from '../support/metrics.js';

const harness = new Harness();
afterEach(() => harness.close());

type Isolation = 'bubblewrap' | 'none';

/** `sandbox-rx serve` in a process of its own, with all of its files in one directory. */
async function serving(isolation: Isolation, ...options: readonly string[]) {
  const word = uniqueWord();
  const directory = mkdtempSync(join(tmpdir(), `${word}-`));
  // In bubblewrap, the keeper is another user.
  chmodSync(directory, 0o777);
  const words = ['--json', '--metrics-port', '0', ...options];
  const served = startServing(isolation, words, { TMPDIR: directory });
  harness.closing(async () => {
    await served.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  const { url, metricsUrl } = JSON.parse(await served.line) as Record<string, string>;
  const pid = served.child.pid ?? 0;
  const started: Set<number> = new Set();
  return {
    ...served,
    word,
    url: url ?? '',
    metricsUrl: metricsUrl ?? '',
    signal: (signal: NodeJS.Signals) => process.kill(pid, signal),
    /** Remembers what it has started up to now. */
    look: () => {
      for (const one of descendantsOf(pid)) started.add(one);
      return started.size;
    },
    /** Settles when no process and no file of it is left. */
    nothingLeft: async () => {
      await eventually('no process is left', () => {
        const left = [...processesWith(word), ...[...started].filter(isAlive)];
        return left.length === 0;
      });
      expect(readdirSync(directory)).toEqual([]);
    },
  };
}

type Serving = Awaited<ReturnType<typeof serving>>;

function descendantsOf(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function isAlive(pid: number): boolean {
  try {
    return / [^ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\)/, ''));
  } catch {
    return false;
  }
}

/** Counts without end, with a helper that has left its session, and one that ignores SIGTERM. */
const endless = 'setsid sleep 6000 & trap "" TERM; n=0; while :; do n=$((n + 1)); echo $n; done # ';

/** A run that is in the middle of its output. */
async function midStream(
  { url, word, look }: Serving,
  options = {},
  id?: string,
): Promise<{ readonly run: Process }> {
  const sandbox = await harness.client({ url, ...options }).create();
  const run = sandbox.exec(['sh', '-c', `${endless}${word}`], {
    killGraceMs: 100,
    ...(id !== undefined && { id }),
  });
  let lines = 0;
  run.stdout$.subscribe({
    next: () => lines++,
    error: () => undefined,
  });
  await eventually('it tells', () => lines > 20);
  expect(look()).toBeGreaterThan(2);
  expect(processesWith(`# ${word}`)).not.toEqual([]);
  return { run };
}

async function isLost(run: Process): Promise<void> {
  const error = await failureOf(run);
  expect(error).toBeInstanceOf(ConnectionLostError);
  expect(error).toMatchObject({ runId: run.id, retryable: false });
  expect(run.returncode).toBeNull();
  await run.closed;
}

const keepalive = { keepaliveMs: 1000, keepaliveTimeoutMs: 1000 };
/** What keepalive may take to tell, and a busy machine beside it. */
const keepaliveWithinMs = 2000 + 8000;

function faultsOf(isolation: Isolation): void {
  it('that is killed leaves no process and no file, and its callers know that they know nothing', async () => {
    const host = await serving(isolation);
    const { run } = await midStream(host);
    host.signal('SIGKILL');
    await isLost(run);
    await host.ended;
    await host.nothingLeft();
  });

  it('that is told to end gives runs their time, then ends them, and leaves nothing', async () => {
    const host = await serving(isolation, '--grace', '300ms');
    const { run } = await midStream(host);
    host.signal('SIGTERM');
    await isLost(run);
    expect((await host.ended).code).toBe(0);
    await host.nothingLeft();
  });

  it('that is stopped is found out by keepalive, and ends what its callers have left when it goes on', async () => {
    const host = await serving(isolation);
    const { run } = await midStream(host, keepalive);
    host.signal('SIGSTOP');
    const stoppedAt = Date.now();
    await isLost(run);
    expect(Date.now() - stoppedAt).toBeLessThan(keepaliveWithinMs);
    host.signal('SIGCONT');
    await metricsUntil(host.metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_streams_open: 0 });
    await eventually('the run is gone', () => runsOf(host).length === 0);
    host.signal('SIGTERM');
    await host.ended;
    await host.nothingLeft();
  });

  it('that is stopped for a moment loses nothing', async () => {
    const host = await serving(isolation);
    const sandbox = await harness.client({ url: host.url }).create();
    const count = 1_500_000;
    const run = sandbox.exec(['seq', String(count)], { retainBytes: 100_000_000 });
    let bytes = 0;
    run.stdout$.subscribe((text) => (bytes += text.length));
    await eventually('it is in the middle', () => bytes > 100_000);
    host.signal('SIGSTOP');
    let before = -1;
    await eventually('nothing comes any more', async () => {
      before = bytes;
      await elapsed(300);
      return before === bytes;
    });
    host.signal('SIGCONT');
    const { stdout, returncode } = await run;
    expect(returncode).toBe(0);
    expect(stdout.length).toBeGreaterThan(before);
    let line = 0;
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .every((text) => Number(text) === ++line),
    ).toBe(true);
    expect(line).toBe(count);
  });
}

describe('a run under an id of its own', () => {
  it.each([
    ['stays away', false],
    ['comes back without it', true],
  ])('is lost, and no success, when its host is killed and %s', async (_, comesBack) => {
    const host = await serving('none');
    const { run } = await midStream(host, { retryBudgetMs: comesBack ? 60_000 : 500 }, 'kept');
    host.signal('SIGKILL');
    await host.ended;
    if (comesBack) await serving('none', '--port', new URL(host.url).port);
    await isLost(run);
    await host.nothingLeft();
  });
});

/** The processes of its runs. */
function runsOf({ word }: Serving): readonly number[] {
  return processesWith(`# ${word}`);
}

describe('a host without isolation', () => {
  faultsOf('none');

  it('that is stopped keeps nobody who cancels for longer than the grace and 10 seconds', async () => {
    const host = await serving('none');
    const { run } = await midStream(host);
    host.signal('SIGSTOP');
    const stoppedAt = Date.now();
    expect(run.cancel()).toBe(true);
    await run.closed;
    expect(Date.now() - stoppedAt).toBeLessThan(10_100 + 8000);
    host.signal('SIGCONT');
    await eventually('the run is gone', () => runsOf(host).length === 0);
  });
});

describeWithBubblewrap('a host with bubblewrap', () => {
  faultsOf('bubblewrap');
});
