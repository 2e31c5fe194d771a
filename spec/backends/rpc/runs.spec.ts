import { afterEach, describe, expect, it } from '@jest/globals';
import { Sandbox, UnsupportedError } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { memoryBackend, out } from 'sandbox-rx/testing';
import { eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

describe('a server that has only the calls of coreweave.sandbox.v1', () => {
  async function far(): Promise<Sandbox> {
    return new Sandbox(remote.backend(await remote.service({})), 'there');
  }

  it.each<readonly [string, string, (sandbox: Sandbox) => PromiseLike<unknown>]>([
    ['a run under an id', 'attach', (sandbox) => sandbox.exec(['true'], { id: 'run' })],
    ['a run to detach', 'attach', (sandbox) => sandbox.exec(['true'], { onDisconnect: 'detach' })],
    ['an attachment', 'attach', (sandbox) => sandbox.attach('run')],
  ])('refuses %s by the name of the capability', async (_, capability, call) => {
    const error = await failureOf(call(await far()));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ capability });
  });

  it('refuses a signal', async () => {
    const backend = remote.backend(await remote.service({}));
    const request = { sandboxId: 'there', runId: 'run', signal: 'SIGTERM' };
    const failed = new Promise((resolve, reject) => {
      backend.signal(request).subscribe({ error: reject, complete: () => resolve('sent') });
    });
    expect(await failureOf(failed)).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      capability: 'signals',
    });
  });
});

describe('a run under an id', () => {
  it('on a backend without attachments is kept by the host', async () => {
    const memory = memoryBackend({ programs: { say: [out('said\n')] } });
    expect(memory.capabilities.attach).toBe(true);
    const backend = Object.assign(memory, {
      capabilities: { ...memory.capabilities, attach: false },
    });
    const sandbox = await (await remote.chain(backend)).create();
    await sandbox.exec(['say'], { id: 'one' });
    expect((await sandbox.attach('one').result()).stdout).toBe('said\n');
    expect((await sandbox.exec(['say'], { id: 'one' }).result()).stdout).toBe('said\n');
    expect(memory.runs.length).toBe(1);
  });

  it('takes input and new sizes of its terminal', async () => {
    const sandbox = await (await remote.chain(localBackend({ isolation: 'none' }))).create();
    const script = 'trap "stty size" WINCH; stty size; while :; do sleep 0.02; done';
    const run = sandbox.exec(['sh', '-c', script], { id: 'sizes', tty: { rows: 33, cols: 101 } });
    let said = '';
    run.stdout$.subscribe({ next: (text) => (said += text), error: () => undefined });
    await eventually('it tells its size', () => said.includes('33 101'));
    run.resize({ rows: 12, cols: 34 });
    await eventually('it tells its new size', () => said.includes('12 34'));
    run.cancel();
    await run.closed;
  });

  it('that cannot be started says why', async () => {
    const sandbox = await (await remote.chain(localBackend({ isolation: 'none' }))).create();
    const run = sandbox.exec(['there-is-no-such-program'], { id: 'absent' });
    expect(await failureOf(run)).toMatchObject({ code: 'ERR_NOT_STARTED', reason: 'not_found' });
    await run.closed;
  });
});
