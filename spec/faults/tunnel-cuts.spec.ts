import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, lastValueFrom, reduce } from 'rxjs';
import { ConnectionLostError, SandboxClient, type ExecOptions, type Sandbox } from 'sandbox-rx';
import { localBackend, websocketBackend, type WebSocketBackend } from 'sandbox-rx/node';
import { uniqueWord } from '../backends/local/host.js';
import { countedTo, eventually, failureOf } from '../contract/kit.js';
import { FaultyWay } from '../support/faulty-way.js';
import { FaultyHost } from './faulty-host.js';

const cuts = 50;
const opened: { close(): unknown }[] = [];
let directory: string;
let host: FaultyHost;
let way: FaultyWay;
let backend: WebSocketBackend;
let client: SandboxClient;

async function hostOf(tunnelGraceMs: number): Promise<FaultyHost> {
  const made = await FaultyHost.of(localBackend({ isolation: 'none' }), { tunnelGraceMs });
  opened.push(made);
  return made;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-tunnel-cuts-'));
  host = await hostOf(60_000);
  way = await FaultyWay.to(host.url);
  backend = websocketBackend({ url: way.url });
  opened.push(way, backend);
  client = new SandboxClient(backend);
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  rmSync(directory, { recursive: true });
});

function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least));
}

/** Cuts the way after some more bytes, few of them now and then: while it is being connected. */
async function cutSoon(): Promise<void> {
  const direction = Math.random() < 0.5 ? 'toHost' : 'toClient';
  const bytes = way.passed[direction] + between(1, Math.random() < 0.3 ? 600 : 400_000);
  const before = way.cuts;
  way.cutAt({ direction, bytes, kind: Math.random() < 0.5 ? 'reset' : 'end', forGood: false });
  await eventually('it was cut', () => way.cuts > before);
}

describe('a tunnel that is cut', () => {
  it(`${cuts} times at any moment loses no byte and doubles none`, async () => {
    let isOver = false;
    const isDone = (): boolean => isOver;
    const sandbox = await client.create();
    const work = [
      ...[0, 1, 2, 3].map(() => echoed(sandbox, isDone)),
      copied(sandbox, isDone),
      followed(isDone),
    ];
    for (let cut = 0; cut < cuts; cut++) await cutSoon();
    isOver = true;
    await Promise.all(work);
    expect(way.cuts).toBe(cuts);
    await host.idle();
  });

  it.each<[string, ExecOptions]>([
    ['', {}],
    [' under an id', { id: 'mine' }],
    [' that would go on without it', { id: 'mine', onDisconnect: 'detach' }],
  ])('and comes to a host that was started again, loses a run%s', async (_what, options) => {
    const word = uniqueWord();
    const sandbox = await client.create();
    const run = sandbox.exec(['sh', '-c', 'echo ready; sleep 600', word], options);
    await firstValueFrom(run.stdout$);
    const other = await hostOf(60_000);
    way.redirect(other.url);
    way.cut('reset');
    const error = await failureOf(run);
    expect(error).toBeInstanceOf(ConnectionLostError);
    expect(error).toMatchObject({ runId: run.id, sandboxId: sandbox.id });
    expect(run.returncode).toBeNull();
    expect(await client.list()).toEqual([]);
  });

  it('and does not come back in time, ends runs here and there', async () => {
    const brief = await hostOf(300);
    way.redirect(brief.url);
    const word = uniqueWord();
    const sandbox = await client.create();
    const run = sandbox.exec(['sh', '-c', 'echo ready; sleep 600', word]);
    await firstValueFrom(run.stdout$);
    way.refuses = true;
    way.cut('reset');
    expect(await failureOf(run)).toBeInstanceOf(ConnectionLostError);
    await brief.nothingLeft(word);
    way.refuses = false;
    expect((await sandbox.exec(['echo', 'again'])).stdout).toBe('again\n');
  });

  it('tells how it stands', async () => {
    await client.list();
    const sandbox = await client.create();
    const run = sandbox.exec(['cat'], { stdin: true });
    const states: string[] = [];
    backend.connection$.subscribe(({ state }) => {
      if (states.at(-1) !== state) states.push(state);
    });
    await run.stdin?.write('one\n');
    way.refuses = true;
    way.cut('reset');
    const { error } = await firstValueFrom(
      backend.connection$.pipe(filter(({ attempt }) => attempt > 1)),
    );
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', retryable: true });
    way.refuses = false;
    await run.stdin?.write('two\n');
    await run.stdin?.close();
    expect((await run).stdout).toBe('one\ntwo\n');
    backend.close();
    expect(states).toEqual(['connected', 'reconnecting', 'connected', 'closed']);
  });
});

/** A run whose output is its input, for as long as the way is cut. */
async function echoed(sandbox: Sandbox, isDone: () => boolean): Promise<void> {
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  function* input(): Iterable<Uint8Array> {
    do {
      const piece = randomBytes(between(1, 60_000));
      sent.update(piece);
      yield piece;
    } while (!isDone());
  }
  const run = sandbox.exec(['sh', '-c', 'cat; exit 7'], { stdin: input(), retainBytes: 0 });
  run.events$.subscribe({
    next: (event) => {
      if (event.type === 'stdout') received.update(event.data);
    },
    error: () => undefined,
  });
  expect(await run.wait()).toBe(7);
  expect(received.digest('hex')).toBe(sent.digest('hex'));
}

/** A file that is written and read, again and again. */
async function copied(sandbox: Sandbox, isDone: () => boolean): Promise<void> {
  do {
    const content = randomBytes(between(1, 2_000_000));
    const path = join(directory, 'copied');
    await sandbox.files.write(path, content);
    expect(Buffer.compare(await sandbox.files.read(path), content)).toBe(0);
  } while (!isDone());
}

/** The log of a main command that counts. */
async function followed(isDone: () => boolean): Promise<void> {
  const stop = join(directory, 'stop');
  const script = 'n=0; until [ -e "$0" ]; do n=$((n+1)); echo $n; sleep 0.01; done';
  const sandbox = await client.create({ command: ['sh', '-c', script, stop] });
  const whole = lastValueFrom(
    sandbox
      .logs$({ follow: true })
      .pipe(reduce((text, { data }) => text + Buffer.from(data).toString(), '')),
  );
  await eventually('the way is whole again', isDone);
  writeFileSync(stop, '');
  const log = await whole;
  expect(log).toBe(countedTo(log.split('\n').length - 1));
}
