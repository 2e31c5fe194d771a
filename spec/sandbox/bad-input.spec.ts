import { describe, expect, it } from '@jest/globals';
import { SandboxClient, SandboxValidationError, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { exit, memoryBackend } from 'sandbox-rx/testing';

/** What a program without types may give. */
const wrong = (value: unknown): never => value as never;

describe('a call with an argument of the wrong kind', () => {
  it.each<readonly [string, (sandbox: Sandbox) => unknown]>([
    ['exec with options null', (sandbox) => sandbox.exec(['ok'], wrong(null))],
    ['exec$ with options null', (sandbox) => sandbox.exec$(['ok'], wrong(null))],
    ['run$ with a writer', (sandbox) => sandbox.run$(['ok'], wrong({ stdin: true }))],
    ['shell with options null', (sandbox) => sandbox.shell(wrong(null))],
    ['attach to no id', (sandbox) => sandbox.attach('')],
    ['attach from null', (sandbox) => sandbox.attach('run', { from: wrong(null) })],
    ['attach from a number', (sandbox) => sandbox.attach('run', { from: wrong(5) })],
    ['logs$ with options null', (sandbox) => sandbox.logs$(wrong(null))],
    ['logs$ of no lines', (sandbox) => sandbox.logs$({ tailLines: 0 })],
    ['logs$ since a text', (sandbox) => sandbox.logs$({ sinceMs: wrong('now') })],
    ['logs$ with timestamps 1', (sandbox) => sandbox.logs$({ timestamps: wrong(1) })],
    ['remove with options null', (sandbox) => sandbox.files.remove('file', wrong(null))],
    ['snapshot with options null', (sandbox) => sandbox.snapshot(wrong(null))],
    ['snapshot of volume 5', (sandbox) => sandbox.snapshot({ volume: wrong(5) })],
  ])('is refused at once: %s', async (_, call) => {
    const backend = memoryBackend({ programs: { ok: [exit(0)] } });
    const sandbox = await new SandboxClient(backend).create();
    expect(() => call(sandbox)).toThrow(SandboxValidationError);
    expect(backend.runs).toEqual([]);
  });

  it.each<readonly [string, readonly unknown[]]>([
    ['no object', [null]],
    ['without a name', [{ mountPath: 'a' }]],
    ['with a name for a path', [{ name: '../a', mountPath: 'a' }]],
    ['with too long a name', [{ name: 'a'.repeat(64), mountPath: 'a' }]],
    ['without a path', [{ name: 'a', mountPath: '' }]],
    ['with a path that leads out', [{ name: 'a', mountPath: 'a/../..' }]],
    ['with a NUL in its path', [{ name: 'a', mountPath: 'a\0' }]],
    ['of no size', [{ name: 'a', mountPath: 'a', sizeBytes: 4095 }]],
    ['of half a byte', [{ name: 'a', mountPath: 'a', sizeBytes: 5000.5 }]],
    ['with snapshot 5', [{ name: 'a', mountPath: 'a', snapshotId: 5 }]],
    ['with the name of another', ['a', 'b'].map((mountPath) => ({ name: 'a', mountPath }))],
    ['with the path of another', ['a', 'b'].map((name) => ({ name, mountPath: 'a' }))],
  ])('is refused at once: a volume %s', (_, volumes) => {
    const client = new SandboxClient(memoryBackend());
    expect(() => client.create({ volumes: wrong(volumes) })).toThrow(SandboxValidationError);
  });

  it.each<readonly [string, () => unknown]>([
    ['volumes 5', () => new SandboxClient(memoryBackend()).create({ volumes: wrong(5) })],
    ['a filter null', () => new SandboxClient(memoryBackend()).snapshots.list(wrong(null))],
    ['the snapshot of no id', () => new SandboxClient(memoryBackend()).snapshots.get('')],
    ['to delete snapshot 5', () => new SandboxClient(memoryBackend()).snapshots.delete(wrong(5))],
    [
      'the local backend with snapshotDirectory 5',
      () => localBackend({ snapshotDirectory: wrong(5) }),
    ],
    ['the local backend with an empty one', () => localBackend({ snapshotDirectory: '' })],

    ['a client without a backend', () => new SandboxClient(wrong(undefined))],
    ['a client of a function', () => new SandboxClient(wrong(localBackend))],
    ['the local backend with a mount null', () => localBackend({ mounts: [wrong(null)] })],
    ['the memory backend with programs null', () => memoryBackend({ programs: wrong(null) })],
    ['the memory backend with a program 5', () => memoryBackend({ programs: { x: wrong(5) } })],
    ['the memory backend with a scheduler 5', () => memoryBackend({ scheduler: wrong(5) })],
  ])('is refused at once: %s', (_, call) => {
    expect(call).toThrow(SandboxValidationError);
  });
});
