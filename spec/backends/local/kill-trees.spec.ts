import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { SandboxClient, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { processesWith, uniqueSeconds } from './host.js';

/** Scripts that start processes sleeping for `$1` seconds, and how many; each in another way that is hard to end. */
const trees: readonly (readonly [string, string, number])[] = [
  ['a child', 'sleep $1 & sleep $1', 2],
  ['a session of its own', 'setsid sleep $1 & wait', 1],
  ['children that ignore SIGTERM', `trap '' TERM HUP INT; setsid sleep $1 & sleep $1 & wait`, 2],
  ['a double fork', '(setsid sleep $1 &) ; sleep $1', 2],
  [
    'a double fork whose parent has ended',
    '(setsid sh -c "sleep $1 & sleep $1" &) & wait; sleep $1',
    3,
  ],
  ['a cleared environment while the parent lives', 'env -i setsid sleep $1 & wait', 1],
  ['a stopped process', 'sleep $1 & sleep 0.2; kill -STOP $!; sleep $1', 2],
];

/** Only a namespace finds these again. */
const hiddenTrees: typeof trees = [
  ['a double fork with a cleared environment', '(env -i setsid sleep $1 &) ; sleep $1', 2],
  [
    'a double fork with a cleared environment that ignores SIGTERM',
    `trap '' TERM; (env -i setsid sh -c "sleep $1 & sleep $1" $1 &) ; sleep $1`,
    4,
  ],
];

function killTrees(isolation: 'bubblewrap' | 'none', cases: typeof trees): void {
  let sandbox: Sandbox;

  beforeEach(async () => {
    sandbox = await new SandboxClient(localBackend({ isolation })).create();
  });

  afterEach(async () => {
    await sandbox[Symbol.asyncDispose]();
  });

  const started = async (script: string, count: number) => {
    const seconds = uniqueSeconds();
    const sleeping = (): number => processesWith(`sleep\0${seconds}`).length;
    const all = (): number => processesWith(seconds).length;
    const process = sandbox.exec(['sh', '-c', script, 'sh', seconds], { killGraceMs: 100 });
    const expected = script.includes('env -i setsid sh') ? count - 1 : count;
    await eventually('the tree stands', () => sleeping() === expected);
    return { process, all };
  };

  it.each(cases)('cancel() ends %s', async (_, script, count) => {
    const { process, all } = await started(script, count);
    process.cancel();
    await process.closed;
    expect(all()).toBe(0);
  });

  it.each(cases)('delete() ends %s', async (_, script, count) => {
    const { process, all } = await started(script, count);
    await sandbox.delete();
    expect(all()).toBe(0);
    await process.closed;
  });

  it('delete() ends what an ended run has left behind', async () => {
    const seconds = uniqueSeconds();
    await sandbox.exec(['sh', '-c', 'setsid sleep $1 >/dev/null 2>&1 & exit 0', 'sh', seconds]);
    await eventually('it sleeps', () => processesWith(seconds).length === 1);
    await sandbox.delete();
    expect(processesWith(seconds)).toEqual([]);
  });

  it('cancel() ends what holds the output after the exit', async () => {
    const seconds = uniqueSeconds();
    const command = ['sh', '-c', 'sleep $1 & exit 0', 'sh', seconds];
    const process = sandbox.exec(command, { drainGraceMs: 60_000, killGraceMs: 100 });
    await eventually('it sleeps', () => processesWith(`sleep\0${seconds}`).length === 1);
    process.cancel();
    await process.closed;
    expect(processesWith(seconds)).toEqual([]);
  });

  it('ending one run leaves the others alone', async () => {
    const [mine, other] = [uniqueSeconds(), uniqueSeconds()];
    const process = sandbox.exec(['sleep', mine]);
    const second = sandbox.exec(['sleep', other]);
    await eventually(
      'both sleep',
      () => processesWith(mine).length * processesWith(other).length > 0,
    );
    process.cancel();
    await process.closed;
    expect(processesWith(mine)).toEqual([]);
    expect(processesWith(other).length).toBeGreaterThan(0);
    second.cancel();
    await second.closed;
  });
}

describe('process trees without isolation', () => {
  killTrees('none', trees);

  it('are ended, and the home is removed, also where the keeper was killed', async () => {
    const sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    const seconds = uniqueSeconds();
    const script = 'setsid sleep $1 >/dev/null 2>&1 & pwd';
    const home = (await sandbox.exec(['sh', '-c', script, 'sh', seconds])).stdout.trim();
    await eventually('it sleeps', () => processesWith(`sleep\0${seconds}`).length === 1);
    const [keeper = 0] = processesWith(`/\0${home}`);
    process.kill(keeper, 'SIGKILL');
    expect(await sandbox.wait()).toMatchObject({ status: 'stopped' });
    await sandbox.delete();
    expect([processesWith(seconds), existsSync(home)]).toEqual([[], false]);
  });
});

describeWithBubblewrap('process trees with bubblewrap', () => {
  killTrees('bubblewrap', [...trees, ...hiddenTrees]);
});
