import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { SandboxClient, type Sandbox } from 'sandbox-rx';
import { exit, memoryBackend, out } from 'sandbox-rx/testing';
import { eventually } from '../contract/kit.js';

setFlagsFromString('--expose-gc');

/** Runs a command with an id that is kept, and hands over what only its handle should hold. */
async function runOnce(sandbox: Sandbox): Promise<WeakRef<() => void>> {
  const statsCallback = (): void => undefined;
  await sandbox.exec(['build'], { id: 'build', statsCallback }).closed;
  return new WeakRef(statsCallback);
}

describe('a run that is kept for its id', () => {
  it('keeps nothing of the handle that started it', async () => {
    const backend = memoryBackend({ programs: { build: [out('built\n'), exit(0)] } });
    const sandbox = await new SandboxClient(backend).create();
    const held = await runOnce(sandbox);
    await eventually('it is let go of', () => {
      runInNewContext('gc()');
      return held.deref() === undefined;
    });
    expect((await sandbox.attach('build').result()).stdout).toEqual('built\n');
  });
});
