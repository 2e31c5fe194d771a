import { describe, expect, it, jest } from '@jest/globals';
import { NEVER } from 'rxjs';
import { SandboxClient } from 'sandbox-rx';
import { exit, memoryBackend } from 'sandbox-rx/testing';
import { failureOf } from '../contract/kit.js';

const programs = { sleep: () => NEVER, ok: [exit(0)] };

describe('an AbortSignal that many runs share', () => {
  it('is listened to once for all of them, and no longer than they last', async () => {
    const sandbox = await new SandboxClient(memoryBackend({ programs })).create();
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    const runs = Array.from({ length: 20 }, () => sandbox.exec(['ok'], { signal }));
    expect(added).toHaveBeenCalledTimes(1);
    await Promise.all(runs.map((run) => run.result({ signal })));
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });

  it('ends all that are left, also after others have ended', async () => {
    const sandbox = await new SandboxClient(memoryBackend({ programs })).create();
    const abort = new AbortController();
    const { signal } = abort;
    await sandbox.exec(['ok'], { signal });
    const runs = Array.from({ length: 3 }, () => sandbox.exec(['sleep'], { signal }));
    runs[1]?.cancel();
    abort.abort('enough');
    for (const run of [runs[0], runs[2]])
      expect(await failureOf(run!.result())).toMatchObject({ cause: 'enough' });
    expect(await failureOf(sandbox.exec(['ok'], { signal }).result())).toMatchObject({
      code: 'ERR_CANCELLED',
    });
  });
});
