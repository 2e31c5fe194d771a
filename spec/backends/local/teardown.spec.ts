import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { from, lastValueFrom, mergeMap } from 'rxjs';
import { SandboxClient, type Process, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { ownChildren } from './host.js';

const mebibyte = 1_048_576;

/** What keeps this program busy, without what Jest itself has. */
function busy(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const resource of process.getActiveResourcesInfo()) {
    if (resource !== 'Immediate' && resource !== 'Timeout')
      counts[resource] = (counts[resource] ?? 0) + 1;
  }
  return counts;
}

function listeners(): number {
  return process.eventNames().reduce((total, name) => total + process.listenerCount(name), 0);
}

function teardown(isolation: 'bubblewrap' | 'none', runs: number): void {
  let sandbox: Sandbox;
  let before: {
    readonly busy: ReturnType<typeof busy>;
    readonly children: number;
    readonly listeners: number;
  };

  beforeAll(async () => {
    const client = new SandboxClient(localBackend({ isolation }));
    // What is opened once and for all is opened here.
    await (await client.create()).delete();
    before = { busy: busy(), children: ownChildren().length, listeners: listeners() };
    sandbox = await client.create();
  });

  afterAll(async () => {
    await sandbox.delete();
    // What the last run used is let go of a moment after its end.
    await eventually('nothing is left', () => leftOver().length === 0).catch(() => {
      expect(leftOver()).toEqual([]);
    });
    expect(ownChildren()).toHaveLength(before.children);
    expect(listeners()).toBe(before.listeners);
  });

  /** What there is more of than before. */
  const leftOver = (): readonly string[] =>
    Object.entries(busy()).flatMap(([resource, count]) =>
      count > (before.busy[resource] ?? 0) ? [`${count} of ${resource}`] : [],
    );

  /** Runs of every kind of end, in turn. */
  const one = async (index: number): Promise<void> => {
    let run: Process;
    const options = { killGraceMs: 50 };
    switch (index % 5) {
      case 0:
        run = sandbox.exec(['sleep', '60'], { ...options, timeoutMs: 1 + (index % 20) });
        break;
      case 1:
        run = sandbox.exec(['sleep', '60'], options);
        setTimeout(() => run.cancel(), index % 20);
        break;
      case 2:
        run = sandbox.exec(['there-is-none'], options);
        break;
      case 3:
        run = sandbox.exec(['cat'], { ...options, stdin: 'text' });
        break;
      default:
        run = sandbox.exec(['true'], options);
    }
    await run.result().catch(() => undefined);
    await run.closed;
  };

  const many = async (count: number): Promise<void> => {
    const indices = Array.from({ length: count }, (_, index) => index);
    await lastValueFrom(from(indices).pipe(mergeMap(one, 16)));
  };

  it(`leaves memory and handles flat after ${runs} runs, some cancelled, timed out or failing`, async () => {
    await many(200);
    const children = ownChildren().length;
    const rss = process.memoryUsage.rss();
    await many(runs);
    expect(ownChildren()).toHaveLength(children);
    expect(listeners()).toBe(before.listeners);
    expect((process.memoryUsage.rss() - rss) / mebibyte).toBeLessThan(60);
  }, 900_000);
}

describe('teardown without isolation', () => {
  teardown('none', 2000);
});

describeWithBubblewrap('teardown with bubblewrap', () => {
  teardown('bubblewrap', 1000);
});
