import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectionLostError, Sandbox, type Process } from 'sandbox-rx';
import { localBackend, type GrpcBackendOptions } from 'sandbox-rx/node';
import { countedTo, elapsed, eventually, failureOf } from '../contract/kit.js';
import { processesWith, uniqueWord } from '../backends/local/host.js';
import { FaultyHost, type FaultyClient } from './faulty-host.js';

/** How long the host keeps the place of an observer whose connection broke. */
const graceMs = 3000;

let host: FaultyHost;
let sandbox: Sandbox;
let directory: string;

beforeAll(async () => {
  host = await FaultyHost.of(localBackend({ isolation: 'none' }), { reconnectGraceMs: graceMs });
  sandbox = await host.client.create();
  directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-taken-up-'));
});

afterAll(async () => {
  await host.close();
  rmSync(directory, { recursive: true });
});

interface Play extends FaultyClient {
  readonly word: string;
  readonly far: Sandbox;
}

/** Over a way of its own, of which nothing is left after it. */
async function played(
  play: (one: Play) => Promise<void>,
  options: GrpcBackendOptions = {},
): Promise<void> {
  const faulty = await host.faulty({ retryBudgetMs: 20_000, ...options });
  const word = uniqueWord();
  try {
    await faulty.client.get(sandbox.id);
    await play({ ...faulty, word, far: new Sandbox(faulty.backend, sandbox.id) });
  } finally {
    faulty.close();
  }
  await host.nothingLeft(word);
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** How many bytes have come of a run. */
function arrivedOf(run: Process): () => number {
  let bytes = 0;
  run.events$.subscribe({
    next: (event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    },
    error: () => undefined,
  });
  return () => bytes;
}

/** Nothing comes through the connections that there are, and nobody is told; others can be made. */
function forget(way: FaultyClient['way']): void {
  way.fallSilent();
  way.forgetAll();
}

async function isLost(run: Process): Promise<void> {
  const error = await failureOf(run);
  expect(error).toBeInstanceOf(ConnectionLostError);
  expect(error).toMatchObject({ runId: run.id, sandboxId: sandbox.id, retryable: false });
  expect(run.returncode).toBeNull();
  await run.closed;
}

describe('a run under an id of its own', () => {
  it('is run once and told in full, wherever the connection is cut', async () => {
    const cut = fc.record({
      direction: fc.constantFrom('toHost', 'toClient'),
      kind: fc.constantFrom('reset', 'end'),
      bytes: fc.oneof(fc.nat(2000), fc.nat(200_000)),
    });
    // Who takes its own run for another's, since an answer was lost, has no input for it.
    const script = 'echo >> "$0"; read status; seq 20000; seq 5000 >&2; exit "$status"';
    const whole = async (point: {
      direction: 'toHost' | 'toClient';
      kind: 'reset' | 'end';
      bytes: number;
    }) =>
      played(async ({ far, way, word }) => {
        const marker = join(directory, word);
        way.cutAt({ ...point, bytes: way.passed[point.direction] + point.bytes, forGood: false });
        const run = far.exec(['sh', '-c', script, marker], { id: word, stdin: '7\n' });
        const { returncode, stdout, stderr } = await run;
        expect(returncode).toBe(7);
        expect([stdout === countedTo(20_000), stderr === countedTo(5000)]).toEqual([true, true]);
        expect(readFileSync(marker, 'utf8')).toBe('\n');
        await run.closed;
      });
    await fc.assert(fc.asyncProperty(cut, whole), { numRuns: 25 });
  });

  it('loses and repeats no byte either way over many cuts', async () => {
    await played(async ({ far, way, word }) => {
      const data = randomBytes(24_000_000);
      const pieces = async function* () {
        for (let at = 0; at < data.length; at += 500_000) {
          await elapsed(20);
          yield data.subarray(at, at + 500_000);
        }
      };
      const run = far.exec(['cat'], { id: word, stdin: pieces(), retainBytes: data.length });
      let cuts = 0;
      const isLive = (): boolean => run.state === 'starting' || run.state === 'running';
      while (isLive()) {
        // Each connection gets somewhere, however slow this machine is now.
        const enough = way.passed.toClient + 2_000_000;
        await eventually('it goes on', () => way.passed.toClient > enough || !isLive());
        way.cut(cuts++ % 2 === 0 ? 'reset' : 'end');
      }
      const { stdoutBytes, returncode } = await run;
      expect(returncode).toBe(0);
      expect(cuts).toBeGreaterThan(3);
      expect(digestOf(stdoutBytes)).toBe(digestOf(data));
    });
  });

  it('waits for its only observer while that is away, and loses nothing', async () => {
    await played(async ({ far, way, word }) => {
      const bytes = 40_000_000;
      const script = 'head -c "$1" /dev/zero; exit 3';
      const run = far.exec(['sh', '-c', script, word, String(bytes)], { id: word });
      const arrived = arrivedOf(run);
      await eventually('it is in the middle', () => arrived() > 1_000_000);
      way.refuses = true;
      way.cut('reset');
      await elapsed(graceMs / 3);
      expect(processesWith(word)).not.toEqual([]);
      way.refuses = false;
      expect(await run.wait()).toBe(3);
      expect(arrived()).toBe(bytes);
    });
  });

  it('goes on over another connection when keepalive finds that the first is dead', async () => {
    const keepalive = { keepaliveMs: 1000, keepaliveTimeoutMs: 1000 };
    await played(async ({ far, way, word }) => {
      const run = far.exec(['sh', '-c', 'seq 300000; cat; exit 4', word], {
        id: word,
        stdin: true,
      });
      const arrived = arrivedOf(run);
      await eventually('it is in the middle', () => arrived() > 500_000);
      forget(way);
      await run.stdin?.write('the end');
      await run.stdin?.close();
      const { stdout, returncode } = await run;
      expect(returncode).toBe(4);
      expect(stdout === `${countedTo(300_000)}the end`).toBe(true);
    }, keepalive);
  });

  it('that is killed with its connection is ended when nobody comes back, and lost to its caller', async () => {
    await played(async ({ far, way, word }) => {
      const run = far.exec(['sh', '-c', 'echo ready; sleep 600', word], { id: word });
      const arrived = arrivedOf(run);
      await eventually('it runs', () => arrived() > 0);
      way.refuses = true;
      way.cut('reset');
      await eventually('the host has ended it', () => processesWith(word).length === 0);
      way.refuses = false;
      await isLost(run);
    });
  });

  it('that is detached runs on, is attached to by another, and ends by that one', async () => {
    await played(async ({ far, way, backend, word }) => {
      const script = 'echo ready; read line; echo "$line"; sleep 600';
      const options = { onDisconnect: 'detach', stdin: true } as const;
      const run = far.exec(['sh', '-c', script, word], options);
      await run.stdin?.writeline('taken');
      const arrived = arrivedOf(run);
      await eventually('it has written', () => arrived() === 'ready\ntaken\n'.length);
      way.refuses = true;
      backend.close();
      await isLost(run);
      await elapsed(graceMs * 1.3);
      const attached = sandbox.attach(run.id);
      await eventually('it is told', () => attached.state === 'running');
      await attached.kill('SIGTERM');
      expect(await attached.result()).toMatchObject({ returncode: 143, stdout: 'ready\ntaken\n' });
    });
  });

  it('that is detached is ended by the one who cancels it', async () => {
    await played(async ({ far, word }) => {
      const run = far.exec(['sh', '-c', 'sleep 600', word], { onDisconnect: 'detach' });
      await eventually('it runs', () => run.state === 'running');
      run.cancel();
      await run.closed;
      expect(processesWith(word)).toEqual([]);
    });
  });

  it('is ended also when its starter cancels while it cannot reach the host', async () => {
    await played(async ({ far, way, word }) => {
      const run = far.exec(['sh', '-c', 'sleep 600', word], { onDisconnect: 'detach' });
      await eventually('it runs', () => run.state === 'running');
      way.refuses = true;
      way.cut('reset');
      run.cancel();
      await elapsed(500);
      way.refuses = false;
      await run.closed;
      expect(processesWith(word)).toEqual([]);
    });
  });
});

describe('an observer', () => {
  it('who comes later is told what is kept, by offset, and what comes', async () => {
    await played(async ({ far, word }) => {
      const script = 'head -c 3000000 /dev/zero; echo half; read line; echo end';
      const run = sandbox.exec(['sh', '-c', script, word], { id: word, stdin: true });
      const arrived = arrivedOf(run);
      await eventually('half of it has come', () => arrived() === 3_000_005);
      const late = far.attach(word);
      const offsets: number[] = [];
      late.events$.subscribe((event) => {
        if (event.type !== 'exit') offsets.push(event.offset);
      });
      await eventually('it is told what is kept', () => offsets.length > 0);
      expect(offsets[0]).toBeGreaterThan(1_000_000);
      const again = far.attach(word, { from: { stdout: 2_999_990 } });
      await run.stdin?.writeline('go on');
      expect((await again.result()).stdout).toBe(`${'\0'.repeat(10)}half\nend\n`);
      const { stdout, stdoutTotalBytes } = await late;
      expect(stdout.endsWith('\0half\nend\n')).toBe(true);
      expect(stdoutTotalBytes).toBe(3_000_009);
    });
  });

  it('is taken up again where its connection broke', async () => {
    await played(async ({ far, way, word }) => {
      const count = 200_000;
      const script = 'sleep 0.2; seq "$1"';
      const run = sandbox.exec(['sh', '-c', script, word, String(count)], { id: word });
      await eventually('it runs', () => run.state === 'running');
      const attached = far.attach(word);
      await eventually('it is observed', () => attached.state === 'running');
      way.cutAt({
        ...{ direction: 'toClient', kind: 'reset', forGood: false },
        bytes: way.passed.toClient + 400_000,
      });
      expect((await attached).stdout === countedTo(count)).toBe(true);
      expect(await run.wait()).toBe(0);
    });
  });
});
