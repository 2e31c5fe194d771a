import { afterEach, describe, expect, it } from '@jest/globals';
import { filter, lastValueFrom, take, toArray } from 'rxjs';
import {
  runAll,
  SandboxClient,
  SandboxPool,
  toResults,
  toSummary,
  type RunAllOptions,
  type SandboxBackend,
} from 'sandbox-rx';
import { localBackend, websocketBackend } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { processesWith, uniqueSeconds } from '../backends/local/host.js';
import { eventually } from '../contract/kit.js';
import { isolationForTests } from '../support/isolation.js';
import { Remote } from '../support/remote.js';

const remote = new Remote();

afterEach(async () => {
  await remote.close();
});

type Way = 'sandbox' | 'pool' | 'client';

/** Where to run, on that backend; what was made for it is closed after the test. */
async function placeOn(backend: SandboxBackend, way: Way): Promise<RunAllOptions> {
  const client = new SandboxClient(backend);
  if (way === 'client') return { client };
  if (way === 'pool')
    return { pool: remote.add(new SandboxPool(client, { max: 4 }), (pool) => pool.close()) };
  const sandbox = remote.add(await client.create(), (made) => made.delete());
  return { sandbox };
}

describe.each<Way>(['sandbox', 'pool', 'client'])('runAll with real processes, by %s', (way) => {
  it('gives every result once, in order', async () => {
    const place = await placeOn(localBackend({ isolation: isolationForTests() }), way);
    const commands = Array.from({ length: 24 }, (_, n) => [
      'sh',
      '-c',
      `echo ${n}; exit $((${n} % 3))`,
    ]);
    const all$ = runAll(commands, { ...place, concurrency: 4, ordered: true });
    const results = await lastValueFrom(all$.pipe(toResults(), toArray()));
    expect(results.map(({ stdout, returncode }) => [Number(stdout), returncode])).toEqual(
      commands.map((_, n) => [n, n % 3]),
    );
  });

  it('kills everything when it is unsubscribed, and with the first failure', async () => {
    const place = await placeOn(localBackend({ isolation: isolationForTests() }), way);
    const seconds = uniqueSeconds();
    const sleepers = Array.from({ length: 3 }, () => ['sleep', seconds]);
    const options = { ...place, killGraceMs: 100 };
    const subscription = runAll(sleepers, options).subscribe();
    await eventually('they run', () => processesWith(seconds).length >= 3);
    subscription.unsubscribe();
    await eventually('they are gone', () => processesWith(seconds).length === 0);

    const failing = [...sleepers, ['sh', '-c', 'exit 3']];
    const stopped$ = runAll(failing, { ...options, check: true, stopOnError: true });
    await expect(lastValueFrom(stopped$)).rejects.toMatchObject({ code: 'ERR_EXIT_STATUS' });
    await eventually('they are gone too', () => processesWith(seconds).length === 0);
  });
});

describe('runAll over hosts', () => {
  const ways = [
    ['gRPC', (url: string) => remote.backend(url)],
    ['the tunnel', (url: string) => remote.add(websocketBackend({ url }), (made) => made.close())],
  ] as const;

  it.each(ways)('runs over %s, in a pool, each command once', async (_way, reach) => {
    const backend = memoryBackend({ programs: memoryPrograms });
    const place = await placeOn(reach(await remote.host(backend)), 'pool');
    const commands = Array.from({ length: 40 }, (_, n) => [n % 4 === 0 ? 'exit3' : 'echoBoth']);
    const all$ = runAll(commands, { ...place, concurrency: 8, retry: {} });
    const summary = await lastValueFrom(all$.pipe(toSummary()));
    expect(summary).toMatchObject({ finished: 40, succeeded: 30, failed: 0, retried: 0 });
    expect(backend.runs.filter(({ command }) => command[0] !== 'sleep')).toHaveLength(40);
  });

  it.each(ways)('leaves nothing running over %s when it is unsubscribed', async (_way, reach) => {
    const backend = memoryBackend({ programs: memoryPrograms });
    const place = await placeOn(reach(await remote.host(backend)), 'client');
    const all$ = runAll([['sleep'], ['sleep'], ['sleep']], { ...place, concurrency: 2 });
    const started$ = all$.pipe(
      filter(({ type }) => type === 'started'),
      take(2),
      toArray(),
    );
    expect(await lastValueFrom(started$)).toHaveLength(2);
    const live = (): number => backend.runs.filter(({ state }) => state === 'running').length;
    await eventually('the runs are over', () => live() === 0);
    let left = 0;
    await eventually('the sandboxes are gone', async () => {
      left = (await new SandboxClient(backend).list()).length;
      return left === 0;
    });
    expect(backend.runs.length).toBeLessThanOrEqual(2);
  });
});

describe('a pool of real sandboxes', () => {
  it('replaces one whose lease is killed from inside, and hands each on as it was left', async () => {
    const client = new SandboxClient(localBackend({ isolation: isolationForTests() }));
    await using pool = new SandboxPool(client, { max: 1 });
    await lastValueFrom(pool.withSandbox((sandbox) => sandbox.run$(['touch', 'here'])));
    const listed$ = pool.withSandbox((sandbox) => sandbox.run$(['ls']));
    expect((await lastValueFrom(listed$)).stdout).toBe('here\n');
    const lease = await pool.acquire();
    lease.discard();
    expect((await lastValueFrom(listed$)).stdout).toBe('');
  });
});
