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
    ['remove with options null', (sandbox) => sandbox.files.remove('file', wrong(null))],
  ])('is refused at once: %s', async (_, call) => {
    const backend = memoryBackend({ programs: { ok: [exit(0)] } });
    const sandbox = await new SandboxClient(backend).create();
    expect(() => call(sandbox)).toThrow(SandboxValidationError);
    expect(backend.runs).toEqual([]);
  });

  it.each<readonly [string, () => unknown]>([
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
