import { credentials, loadPackageDefinition, status, type ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { service } from 'grpc-health-check';
import { firstValueFrom } from 'rxjs';
import { SandboxValidationError } from 'sandbox-rx';
import { memoryBackend } from 'sandbox-rx/testing';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { failureOf, Harness } from './harness.js';

const harness = new Harness();
afterEach(() => harness.close());

interface HealthClient {
  close(): void;
  check(
    request: { service: string },
    callback: (error: ServiceError | null, response?: { status: string }) => void,
  ): void;
  watch(request: { service: string }): AsyncIterable<{ status: string }>;
}

function healthClient(url: string): HealthClient {
  const loaded = loadPackageDefinition({ Health: service });
  const Client = loaded['Health'] as unknown as new (
    address: string,
    access: ReturnType<typeof credentials.createInsecure>,
  ) => HealthClient;
  const client = new Client(new URL(url).host, credentials.createInsecure());
  harness.closing(() => {
    client.close();
  });
  return client;
}

function health(client: HealthClient, name = ''): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    client.check({ service: name }, (error, response) => {
      if (error) reject(error);
      else resolve(response?.status);
    });
  });
}

/** A backend whose sandboxes can be looked at. */
async function hosted(options = {}) {
  const backend = memoryBackend({ programs: memoryPrograms });
  const { host, url } = await harness.listening(options, backend);
  const count = async () => {
    const seen: string[] = [];
    await backend.list({}).forEach(({ id }) => seen.push(id));
    return seen.length;
  };
  return { host, url, count };
}

describe('health', () => {
  it('tells of the server and each service, without a token', async () => {
    const tokens = [{ name: 'ada', token: 'token-of-ada' }];
    const { url } = await hosted({ tokens });
    const client = healthClient(url);
    for (const name of ['', 'coreweave.sandbox.v1.SandboxService', 'sandboxrx.v1.FileService'])
      expect(await health(client, name)).toBe('SERVING');
    await expect(health(client, 'absent')).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});

describe('drain', () => {
  it('refuses new calls, waits for those that go on, and leaves nothing', async () => {
    const { host, url, count } = await hosted();
    const client = harness.client({ url });
    const sandbox = await client.create();
    const cat = sandbox.exec(['cat'], { stdin: true });
    cat.stdin?.write('before\n');
    await firstValueFrom(cat.stdout$);
    const probe = healthClient(url);
    const watched = probe.watch({ service: '' })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toEqual({ status: 'SERVING' });

    const draining = host.drain({ graceMs: 60_000 });
    expect((await watched.next()).value).toEqual({ status: 'NOT_SERVING' });
    expect(await health(probe)).toBe('NOT_SERVING');
    await expect(client.create()).rejects.toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/shutting down/),
    });
    const { code, remote } = await failureOf(url);
    expect(code).toBe(status.UNAVAILABLE);
    expect(remote).toMatchObject({ domain: 'cwsandbox.com' });
    expect(await count()).toBe(1);

    cat.stdin?.write('after\n');
    cat.stdin?.close();
    expect((await cat).stdout).toBe('before\nafter\n');
    await draining;
    expect(await count()).toBe(0);
    await expect(health(probe)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it('ends what is not over in time: the outcome of a run is not known then', async () => {
    const { host, url, count } = await hosted();
    const sandbox = await harness.client({ url }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    await host.drain({ graceMs: 10 });
    await expect(run).rejects.toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      message: expect.stringMatching(/shut down/),
      retryable: false,
    });
    expect(await count()).toBe(0);
  });

  it('is one, however often it is asked for, and close() hurries it', async () => {
    const { host, url, count } = await hosted();
    const sandbox = await harness.client({ url }).create();
    const run = sandbox.exec(['reportTerm']);
    await firstValueFrom(run.stdout$);
    const draining = host.drain({ graceMs: 600_000 });
    expect(host.drain()).toBe(draining);
    await host.close();
    await draining;
    await expect(run).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    expect(await count()).toBe(0);
  });

  it('takes a grace that makes sense', async () => {
    const { host } = await hosted();
    expect(() => host.drain({ graceMs: -1 })).toThrow(SandboxValidationError);
  });
});
