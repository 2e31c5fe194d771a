import { afterEach, describe, expect, it } from '@jest/globals';
import { Metadata, status as Status } from '@grpc/grpc-js';
import { lastValueFrom, mergeMap, range } from 'rxjs';
import { Sandbox, SandboxTimeoutError, type SandboxBackend } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { ExecStreamRequest } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { processesWith, uniqueWord } from '../backends/local/host.js';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { countedTo, elapsed, eventually, failureOf } from '../contract/kit.js';
import { isolationForTests } from '../support/isolation.js';
import { Remote } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const local = (): SandboxBackend => localBackend({ isolation: isolationForTests() });

async function hosted(backend: SandboxBackend) {
  const host = remote.add(await FaultyHost.of(backend), (one) => one.close());
  return { host, sandbox: await host.client.create(), word: uniqueWord() };
}

/** Writes without end, with a helper that has left its session. */
const endless = 'setsid sleep 6000 & yes # ';

describe('runs that are cancelled at any moment', () => {
  it.each([
    { of: 'memory', count: 1000, backend: () => memoryBackend({ programs: memoryPrograms }) },
    { of: 'local', count: 120, backend: local },
  ])('leave nothing of $count on $of', async ({ of, count, backend }) => {
    const { host, sandbox, word } = await hosted(backend());
    const command = of === 'memory' ? ['flood'] : ['sh', '-c', `${endless}${word}`];
    // So that what is made once is there.
    expect(await failureOf(sandbox.exec(['absent']))).toMatchObject({ code: 'ERR_NOT_STARTED' });
    const handles = process.getActiveResourcesInfo().length;
    const longestMs = of === 'memory' ? 30 : 300;
    await lastValueFrom(
      range(count).pipe(
        mergeMap(async () => {
          const run = sandbox.exec(command, { killGraceMs: 100, retainBytes: 65_536 });
          await elapsed(Math.random() * longestMs);
          expect(run.cancel()).toBe(true);
          await run.closed;
          expect([run.state, run.returncode]).toEqual(['cancelled', null]);
        }, 40),
      ),
    );
    await host.nothingLeft(word);
    await eventually('no handle is left', () => process.getActiveResourcesInfo().length <= handles);
    expect(await failureOf(sandbox.exec(['absent']))).toMatchObject({ code: 'ERR_NOT_STARTED' });
  });
});

describe('a deadline in the middle of the output', () => {
  it('of a run ends it with all that it started', async () => {
    const { host, sandbox, word } = await hosted(local());
    const run = sandbox.exec(['sh', '-c', `${endless}${word}`], {
      timeoutMs: 1500,
      killGraceMs: 100,
      retainBytes: 65_536,
    });
    await eventually('it runs', () => processesWith(word).length > 0);
    const error = await failureOf(run);
    expect(error).toBeInstanceOf(SandboxTimeoutError);
    expect(error).toMatchObject({ timeoutMs: 1500, runId: run.id });
    expect(run.returncode).toBeNull();
    await run.closed;
    await host.nothingLeft(word);
  });

  it('of a call ends its run, and tells no exit', async () => {
    const { host, sandbox, word } = await hosted(local());
    const client = remote.bare(host.url);
    const stream = client.stream('streamExec', new Metadata(), Date.now() + 2500);
    const kinds: Set<unknown> = new Set();
    stream.on('data', ({ message }: { message?: { $case: string } }) => kinds.add(message?.$case));
    const code = new Promise((resolve) => {
      stream.on('error', ({ code: told }: Error & { code?: number }) => {
        resolve(told);
      });
    });
    const command = ['sh', '-c', `${endless}${word}`];
    const init = { $case: 'init', value: { sandboxId: sandbox.id, command } } as const;
    stream.write(ExecStreamRequest.fromPartial({ message: init }));
    expect(await code).toBe(Status.DEADLINE_EXCEEDED);
    expect([...kinds].sort()).toEqual(['output', 'ready']);
    await host.nothingLeft(word);
  });
});

describe('a slow way', () => {
  it.each([
    ['that holds up each piece', { delayMs: 20, drips: false, last: 20_000 }],
    ['that lets a byte through at a time', { delayMs: 0, drips: true, last: 1000 }],
  ])('%s loses nothing', async (_, { delayMs, drips, last }) => {
    const { host, sandbox } = await hosted(local());
    const { way, backend } = remote.add(await host.faulty(), (one) => {
      one.close();
    });
    Object.assign(way, { delayMs, drips });
    const far = new Sandbox(backend, sandbox.id);
    const text = countedTo(last);
    const run = far.exec(['sh', '-c', 'cat; exit 3'], { stdin: [text] });
    expect((await run.result()).stdout === text).toBe(true);
    expect(run.returncode).toBe(3);
    await far.files.write('file', text);
    expect(Buffer.from(await far.files.read('file')).toString() === text).toBe(true);
  });
});
