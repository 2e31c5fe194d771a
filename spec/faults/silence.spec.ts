import { afterEach, describe, expect, it } from '@jest/globals';
import type { handleUnaryCall, ServerDuplexStream } from '@grpc/grpc-js';
import { Sandbox } from 'sandbox-rx';
import { memoryBackend } from 'sandbox-rx/testing';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { elapsed } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

async function hosted(options: Parameters<FaultyHost['faulty']>[0]) {
  const backend = memoryBackend({ programs: memoryPrograms });
  const host = remote.add(await FaultyHost.of(backend), (one) => one.close());
  const faulty = remote.add(await host.faulty(options), (one) => {
    one.close();
  });
  const { id } = await host.client.create();
  return { host, ...faulty, far: new Sandbox(faulty.backend, id) };
}

/** No time at all on a busy machine, and less than any of the defaults. */
const soonMs = 10_000;

async function soon<T>(operation: () => PromiseLike<T>): Promise<T> {
  const startedAt = Date.now();
  try {
    return await operation();
  } finally {
    expect(Date.now() - startedAt).toBeLessThan(soonMs);
  }
}

describe('a way that takes connections and says nothing', () => {
  it('fails a run in the time that a connection has, and all that wait with it', async () => {
    const { way, far } = await hosted({ connectTimeoutMs: 500 });
    way.fallSilent();
    const runs = [far.exec(['echoBoth']), far.exec(['echoBoth'])];
    for (const run of runs) {
      await soon(() =>
        expect(run).rejects.toMatchObject({
          code: 'ERR_BACKEND_UNAVAILABLE',
          retryable: true,
        }),
      );
      await run.closed;
    }
  });

  it('is left for another connection, once there is one that answers', async () => {
    const { way, far } = await hosted({ connectTimeoutMs: 500 });
    way.fallSilent();
    await expect(far.exec(['echoBoth'])).rejects.toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    way.forgetAll();
    expect((await far.exec(['echoBoth'])).stdout).toBe('out\n');
  });
});

describe('a connection that falls silent', () => {
  it('fails what has to be answered in the time that it has', async () => {
    const { way, client, far } = await hosted({ requestTimeoutMs: 500, retryBudgetMs: 0 });
    await far.status();
    way.fallSilent();
    const requestTimeout = { code: 'ERR_REQUEST_TIMEOUT' };
    await soon(() => expect(client.create()).rejects.toMatchObject(requestTimeout));
    await soon(() => expect(far.files.read('x')).rejects.toMatchObject(requestTimeout));
    await soon(() => expect(far.status()).rejects.toMatchObject(requestTimeout));
  });

  it('loses nothing when it is heard again in time', async () => {
    const { way, far } = await hosted({});
    const run = far.exec(['count']);
    way.fallSilent();
    const other = far.exec(['cat'], { stdin: ['a', 'b'] });
    way.speak();
    expect((await run).stdoutTotalBytes).toBe(588_895);
    expect((await other).stdout).toBe('ab');
  });
});

describe('a server that thinks longer than a connection may take', () => {
  const connectTimeoutMs = 200;
  const exit = { message: { $case: 'exit', value: { exitCode: 7, completedTime: undefined } } };
  const thought = (): Promise<void> => elapsed(3 * connectTimeoutMs);

  it('is waited for', async () => {
    const writeFile: handleUnaryCall<unknown, unknown> = (_, answer) => {
      void thought().then(() => answer(null, {}));
    };
    const streamExec = (call: ServerDuplexStream<unknown, unknown>): void => {
      void thought().then(() => {
        call.write(exit);
        call.end();
      });
    };
    const url = await remote.service({ writeFile, streamExec });
    const sandbox = new Sandbox(remote.backend(url, { connectTimeoutMs }), 'b');
    const run = sandbox.exec(['x']);
    await sandbox.files.write('file', 'text');
    expect(await run.wait()).toBe(7);
  });
});
