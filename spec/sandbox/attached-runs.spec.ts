import { describe, expect, it } from '@jest/globals';
import { SandboxClient } from 'sandbox-rx';
import { delay, memoryBackend, out } from 'sandbox-rx/testing';
import { eventually, failureOf } from '../contract/kit.js';

async function opened() {
  const backend = memoryBackend({ programs: { serve: [out('ready\n'), delay(60_000)] } });
  return new SandboxClient(backend).create();
}

describe('attaching where the sandbox lives in this program', () => {
  it('says at once that a run is running', async () => {
    const sandbox = await opened();
    const run = sandbox.exec(['serve'], { id: 'server' });
    await eventually('it runs', () => run.state === 'running');
    const handles = [sandbox.attach('server'), sandbox.exec(['serve'], { id: 'server' })];
    expect(handles.map(({ state }) => state)).toEqual(['running', 'running']);
    run.cancel();
  });

  it('says at once that there is no such run', async () => {
    const attached = (await opened()).attach('nobody');
    expect(attached.state).toBe('failed');
    expect(await failureOf(attached)).toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('finds a run that may be left behind by the id that it was given, also after its end', async () => {
    const sandbox = await opened();
    const { id, closed } = sandbox.exec(['serve'], { onDisconnect: 'detach', timeoutMs: 50 });
    await closed;
    expect(await failureOf(sandbox.attach(id))).toMatchObject({ code: 'ERR_CANCELLED' });
    expect(() => sandbox.exec(['serve'], { onDisconnect: 'leave' as never })).toThrow(
      "onDisconnect must be 'kill' or 'detach'",
    );
  });
});
