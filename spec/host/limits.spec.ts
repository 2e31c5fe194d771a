import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom, retry } from 'rxjs';
import { SandboxValidationError, type Process } from 'sandbox-rx';
import { Host, type HostLimits } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { BareClient } from '../support/remote.js';
import { Harness, memory } from './harness.js';
import { Calls } from './snapshot-calls.js';

const harness = new Harness();
afterEach(() => harness.close());

const tokens = [
  { name: 'ada', token: 'token-of-ada' },
  { name: 'grace', token: 'token-of-grace' },
];

const refused = {
  code: 'ERR_RESOURCE_EXHAUSTED',
  retryable: true,
  remote: {
    grpcCode: status.RESOURCE_EXHAUSTED,
    reason: 'SANDBOXRX_LIMIT',
    domain: 'cwsandbox.com',
  },
};

/** Two callers of one host. */
async function callers(limits: HostLimits) {
  const { url } = await harness.listening({ tokens, limits });
  const client = (token: string) => harness.client({ url, token, retryBudgetMs: 0 });
  return { ada: client('token-of-ada'), grace: client('token-of-grace') };
}

/** A host of sandboxes on this machine. */
async function remoteOf(limits: HostLimits): Promise<string> {
  return (await harness.listening({ limits }, localBackend({ isolation: 'none' }))).url;
}

/** Settles when the run has begun to write. */
async function running(process: Process): Promise<void> {
  await firstValueFrom(process.stdout$);
}

describe('limits', () => {
  it('refuses a sandbox more, until one is gone', async () => {
    const { ada } = await callers({ maxSandboxes: 2 });
    const first = await ada.create();
    await ada.create();
    await expect(ada.create()).rejects.toMatchObject({
      ...refused,
      message: 'this host takes 2 sandboxes, and has no room for 1 more',
    });
    await first.delete();
    await ada.create();
  });

  it('refuses a run more also where runs go on without a call', async () => {
    const { ada, grace } = await callers({ maxRunsPerToken: 1 });
    const sandbox = await ada.create();
    const held = sandbox.exec(['flood'], { id: 'held' });
    await running(held);
    const message = 'a token may have 1 runs, and this one has no room for 1 more';
    for (const options of [{ id: 'another' }, {}])
      await expect(sandbox.exec(['exit3'], options)).rejects.toMatchObject({ ...refused, message });
    expect((await (await grace.get(sandbox.id)).exec(['exit3'], { id: 'hers' })).returncode).toBe(
      3,
    );
    held.cancel();
    await held.closed;
    expect((await sandbox.exec(['exit3'], { id: 'another' })).returncode).toBe(3);
  });

  it('refuses a sandbox more of one token, not of another', async () => {
    const { ada, grace } = await callers({ maxSandboxesPerToken: 1 });
    await ada.create();
    await expect(ada.create()).rejects.toMatchObject({
      ...refused,
      message: 'a token may have 1 sandboxes, and this one has no room for 1 more',
    });
    await grace.create();
  });

  it('refuses a snapshot more', async () => {
    const { ada, grace } = await callers({ maxSnapshots: 3, maxSnapshotsPerToken: 2 });
    const volumes = ['one', 'two'].map((name) => ({ name, mountPath: `/${name}` }));
    const sandbox = await ada.create({ volumes });
    const first = await sandbox.snapshot({ volume: 'one' });
    await sandbox.snapshot({ volume: 'two' });
    await expect(sandbox.snapshot({ volume: 'one' })).rejects.toMatchObject({
      ...refused,
      message: 'a token may have 2 snapshots, and this one has no room for 1 more',
    });
    const hers = await grace.create({ volumes });
    await hers.snapshot({ volume: 'one' });
    await expect(hers.snapshot({ volume: 'one' })).rejects.toMatchObject(refused);
    await ada.snapshots.delete(first.id);
    await sandbox.snapshot({ volume: 'one' });
  });

  it('refuses snapshots of a deletion that would be too many, and then deletes nothing', async () => {
    const { url } = await harness.listening({ limits: { maxSnapshots: 2 } });
    const volumes = ['one', 'two'].map((name) => ({ name, mountPath: `/${name}` }));
    const sandbox = await harness.client({ url }).create({ volumes });
    const first = await sandbox.snapshot({ volume: 'one' });
    const bare = new BareClient(url);
    harness.closing(() => {
      bare.close();
    });
    const calls = new Calls(bare);
    const request = { sandboxId: sandbox.id, snapshotVolumes: ['one', 'two'] };
    const message = 'this host takes 2 snapshots, and has no room for 2 more';
    await expect(calls.stop(request)).rejects.toMatchObject({ message });
    expect(await sandbox.status()).toMatchObject({ status: 'running' });
    await calls.delete(first.id);
    expect((await calls.stop(request)).fileSystemSnapshotIds.length).toBe(2);
  });

  it('refuses a run more, until one is over', async () => {
    const { ada, grace } = await callers({ maxRuns: 3, maxRunsPerToken: 2 });
    const sandbox = await ada.create();
    const others = await grace.create();
    const first = sandbox.exec(['reportTerm']);
    await running(first);
    await running(sandbox.exec(['reportTerm']));
    await expect(sandbox.exec(['echoBoth'])).rejects.toMatchObject(refused);
    await running(others.exec(['reportTerm']));
    await expect(others.exec(['echoBoth'])).rejects.toMatchObject(refused);
    first.cancel();
    await first.closed;
    // The host hears that the stream is over a moment after the run is.
    const again$ = sandbox.run$(['echoBoth']).pipe(retry({ delay: 10 }));
    expect((await firstValueFrom(again$)).stdout).toBe('out\n');
  });

  it('refuses an open stream more', async () => {
    const { ada, grace } = await callers({ maxStreamsPerToken: 1 });
    const sandbox = await ada.create();
    await running(sandbox.exec(['reportTerm']));
    await expect(sandbox.exec(['echoBoth'])).rejects.toMatchObject(refused);
    const others = await grace.create();
    expect((await others.exec(['echoBoth'])).stdout).toBe('out\n');
  });

  it('refuses a message that is too large, and goes on', async () => {
    const { ada } = await callers({ maxMessageBytes: 100_000 });
    const sandbox = await ada.create();
    await expect(sandbox.files.write('/large', new Uint8Array(200_000))).rejects.toMatchObject({
      ...refused,
      retryable: false,
    });
    await sandbox.files.write('/small', new Uint8Array(50_000));
    expect(await sandbox.files.read('/small')).toHaveLength(50_000);
  });

  it('lets the input of a run under an id wait for room, and loses none of it', async () => {
    const url = await remoteOf({ maxStdinBytes: 65_536 });
    const sandbox = await harness.client({ url, retryBudgetMs: 20_000 }).create();
    const data = Buffer.from(Array.from({ length: 400_000 }, (_, index) => index % 251));
    const command = ['sh', '-c', 'sleep 0.2; cat'];
    const { stdoutBytes } = await sandbox.exec(command, { id: 'one', stdin: [data] });
    expect(data.equals(stdoutBytes)).toBe(true);
  });

  it('refuses input that would fill the memory, and ends its run', async () => {
    const { ada } = await callers({ maxStdinBytes: 100_000 });
    const sandbox = await ada.create();
    const stdin = new Uint8Array(2_000_000);
    await expect(sandbox.exec(['sleep'], { stdin: [stdin] })).rejects.toMatchObject(refused);
    expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
  });

  it.each([
    [{ maxRuns: 0 }, /limits\.maxRuns must be/],
    [{ maxMessageBytes: 10 }, /limits\.maxMessageBytes must be/],
    [{ maxSandboxes: 1.5 }, /limits\.maxSandboxes must be/],
  ])('must make sense: %j does not', (limits, text) => {
    expect(() => new Host(memory(), { limits })).toThrow(SandboxValidationError);
    expect(() => new Host(memory(), { limits })).toThrow(text);
  });
});
