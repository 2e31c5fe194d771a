import { afterEach, describe, expect, it } from '@jest/globals';
import { Subject, firstValueFrom } from 'rxjs';
import type { ChildProcess } from 'node:child_process';
import { eventually } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { Sandbox, State } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { ended, start } from './program.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const running = Sandbox.fromPartial({ sandboxId: 'b', status: { state: State.STATE_RUNNING } });

/** A server that answers these calls, and others never. */
async function silent(...answered: readonly ('createSandbox' | 'getSandbox')[]) {
  const asked: Subject<void> = new Subject();
  const never = (call: { on(name: 'error', handler: () => void): void }): void => {
    call.on('error', () => undefined);
    asked.next();
  };
  const answer = (_call: unknown, tell: (error: null, value: unknown) => void): void => {
    tell(null, running);
  };
  const url = await remote.service({
    ...{ createSandbox: never, getSandbox: never, streamExec: never, deleteSandbox: never },
    ...Object.fromEntries(answered.map((name) => [name, answer])),
  });
  return {
    begin: async (...words: readonly string[]): Promise<ChildProcess> => {
      const reached = firstValueFrom(asked, { defaultValue: undefined });
      const child = remote.add(start('--url', url, ...words), (one) => void one.kill('SIGKILL'));
      await reached;
      return child;
    },
  };
}

/** Another signal, and where it comes too soon for one, another again. */
function hurry(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return eventually('it ends', () => !child.kill(signal) || child.exitCode !== null);
}

describe('a signal to sandbox-rx while the server does not answer', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends at once what only looks for a sandbox: %s',
    async (signal) => {
      const { begin } = await silent();
      for (const words of [
        ['exec', 'b', 'true'],
        ['shell', 'b'],
        ['snapshot', 'create', 'b'],
      ]) {
        const child = await begin(...words);
        child.kill(signal);
        expect(await ended(child)).toEqual({ code: null, signal, stdout: '', stderr: '' });
      }
    },
  );

  it.each([['create'], ['run', 'true'], ['shell']])(
    'waits for the sandbox that is being made, and a second one does not: %s',
    async (...words) => {
      const { begin } = await silent();
      const child = await begin(...words);
      const over = ended(child);
      child.kill('SIGINT');
      await new Promise((resolve) => child.stderr?.once('data', resolve));
      await hurry(child, 'SIGTERM');
      expect(await over).toMatchObject({
        ...{ code: 143, signal: null },
        stderr: expect.stringContaining('the sandbox is being made'),
      });
    },
  );

  it('says that a run is waited for, and a second one does not', async () => {
    const { begin } = await silent('getSandbox');
    const child = await begin('exec', 'b', 'true');
    const over = ended(child);
    child.kill('SIGINT');
    await new Promise((resolve) => child.stderr?.once('data', resolve));
    await hurry(child, 'SIGINT');
    expect(await over).toMatchObject({
      ...{ code: 130, signal: null },
      stderr: expect.stringContaining('another signal'),
    });
  });
});
