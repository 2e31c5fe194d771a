import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, NEVER } from 'rxjs';
import { SandboxClient, SandboxError } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { elapsed, eventually } from '../../contract/kit.js';
import { subscribeTooLate } from '../../support/too-late.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import {
  isStopped,
  ownChildren,
  processesOf,
  processesWith,
  processOf,
  uniqueSeconds,
} from './host.js';

function races(isolation: 'bubblewrap' | 'none'): void {
  const open = (): ReturnType<SandboxClient['create']> =>
    new SandboxClient(localBackend({ isolation })).create();

  it('a run that follows a cancelled one is not taken for a part of it', async () => {
    const sandbox = await open();
    const returncodes: (number | null)[] = [];
    for (let round = 0; round < 8; round++) {
      const first = sandbox.exec(['sh', '-c', 'echo up; exec sleep 100'], { killGraceMs: 300 });
      await firstValueFrom(first.stdout$);
      first.cancel();
      await elapsed(2 * round);
      returncodes.push((await sandbox.exec(['sleep', '0.5'])).returncode);
      await first.closed;
    }
    expect(returncodes).toEqual(Array.from({ length: 8 }, () => 0));
    await sandbox.delete();
  });

  it('a signal that is sent while the command is being started is sent to the command', async () => {
    const sandbox = await open();
    const signalAfter = async (delayMs: number): Promise<string | undefined> => {
      const run = sandbox.exec(['sleep', '100']);
      await elapsed(delayMs);
      await run.kill('SIGTERM');
      return (await run).signal;
    };
    const signals: Set<string | undefined> = new Set();
    for (let round = 0; round < 100; round++) {
      const delays = [0, 1, 2, 3, 4, 5];
      for (const signal of await Promise.all(delays.map(signalAfter))) signals.add(signal);
    }
    expect([...signals]).toEqual(['SIGTERM']);
    await sandbox.delete();
  }, 600_000);

  it('what delete() cuts off fails because the sandbox is over', async () => {
    const codes: Set<unknown> = new Set();
    for (let round = 0; round < 20; round++) {
      const sandbox = await open();
      const writing = sandbox.files.write('file', NEVER);
      const cut = [writing, ...[1, 2, 3, 4].map(() => sandbox.exec(['true']))];
      await elapsed(round % 10);
      await sandbox.delete();
      for (const one of cut) {
        const end: unknown = await one.then(undefined, (error: unknown) => error);
        if (end instanceof SandboxError) codes.add(end.code);
      }
    }
    expect([...codes]).toEqual(['ERR_SANDBOX_OVER']);
  });

  it('a creation for a consumer that has left before makes nothing', async () => {
    const before = new Set(ownChildren());
    const backend = localBackend({ isolation });
    subscribeTooLate(new SandboxClient(backend).withSandbox({}, () => NEVER));
    subscribeTooLate(backend.create({}));
    await eventually('nothing runs', () => ownChildren().every((pid) => before.has(pid)));
  });

  it('a directory can be listed while its files come and go', async () => {
    const sandbox = await open();
    const script = 'mkdir d; cd d; echo up; while :; do touch 1 2 3 4 5 6 7 8 9; rm *; done';
    const writing = sandbox.exec(['sh', '-c', script]);
    await firstValueFrom(writing.stdout$);
    for (let round = 0; round < 100; round++) await sandbox.files.list('d');
    writing.cancel();
    await writing.closed;
    await sandbox.delete();
  });

  it('a stopped process can be continued, and tells its exit', async () => {
    const sandbox = await open();
    const seconds = uniqueSeconds();
    const command = ['sh', '-c', 'kill -STOP $$; exit 7', seconds];
    const run = sandbox.exec(command);
    await eventually('it has stopped', () => processesOf(command).some(isStopped));
    await run.kill('SIGCONT');
    expect(await run).toMatchObject({ returncode: 7 });
    await sandbox.delete();
  });

  it('a stopped process is ended at once, and so is its sandbox', async () => {
    const sandbox = await open();
    const script = 'echo up; kill -STOP $$';
    const [run, other] = [1, 2].map(() =>
      sandbox.exec(['sh', '-c', script], { killGraceMs: 60_000 }),
    );
    if (run === undefined || other === undefined) throw new Error('there are two');
    await Promise.all([firstValueFrom(run.stdout$), firstValueFrom(other.stdout$)]);
    run.cancel();
    await run.closed;
    await sandbox.delete();
    await other.closed;
  });

  it('a pause lasts when the process ends and leaves its pipes to others', async () => {
    const sandbox = await open();
    const command = ['sh', '-c', 'yes & sleep 0.1', uniqueSeconds()];
    const run = sandbox.exec(command, {
      overflow: 'backpressure',
      retainBytes: 65_536,
    });
    let bytes = 0;
    run.events$.subscribe({
      next: (event) => {
        if (event.type === 'stdout') bytes += event.data.length;
      },
      error: () => undefined,
    });
    await eventually('it has begun', () => bytes > 0);
    await eventually('it has ended', () => processesOf(command).length === 0);
    await elapsed(500);
    // What was on its way when the pause began may come, and one read more.
    expect(bytes).toBeLessThan(1_048_576);
    run.cancel();
    await run.closed;
    await sandbox.delete();
  });
}

describe('without isolation', () => {
  races('none');

  it('delete() ends a run that is being ended, and has hidden', async () => {
    const sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    const seconds = uniqueSeconds();
    // Its own environment does not carry its mark, so that nothing but its id leads to it.
    const script = `trap '' TERM; exec env -i sleep "$0"`;
    const run = sandbox.exec(['sh', '-c', script, seconds], { killGraceMs: 60_000 });
    await eventually('it sleeps', () => processOf(['sleep', seconds]) !== undefined);
    run.cancel();
    await sandbox.delete();
    expect(processesWith(seconds)).toEqual([]);
    await run.closed;
  });
});

describeWithBubblewrap('with bubblewrap', () => {
  races('bubblewrap');

  it('a creation that is cancelled leaves nothing, whenever', async () => {
    const source = mkdtempSync(join(tmpdir(), 'sandbox-rx-races-'));
    const client = new SandboxClient(localBackend({ mounts: [{ source }] }));
    for (let round = 0; round < 30; round++) {
      const creating = client.create();
      await elapsed(round % 16);
      if (!creating.cancel()) await (await creating).delete();
    }
    await eventually('nothing is left', () => processesWith(source).length === 0);
    rmSync(source, { recursive: true });
  });

  it('cancel() finds what hid before this program heard of the start', async () => {
    const sandbox = await new SandboxClient(localBackend()).create();
    const seconds = uniqueSeconds();
    const script = `trap '' TERM; (env -i setsid sleep "$0" &) ; exec sleep "$0"`;
    const run = sandbox.exec(['sh', '-c', script, seconds], { killGraceMs: 100 });
    // Without a turn for others in between, as a busy machine makes it.
    const end = Date.now() + 60_000;
    while (processesOf(['sleep', seconds]).length < 2) expect(Date.now()).toBeLessThan(end);
    run.cancel();
    await run.closed;
    expect(processesWith(seconds)).toEqual([]);
    await sandbox.delete();
  });

  it('delete() comes back when what waits for the commands is gone too', async () => {
    const client = new SandboxClient(localBackend());
    const left: number[] = [];
    for (let round = 0; round < 30; round++) {
      const sandbox = await client.create();
      const seconds = uniqueSeconds();
      for (let runs = 0; runs < 8; runs++) sandbox.exec(['sleep', seconds]);
      await eventually('they sleep', () => processesWith(`sleep\0${seconds}`).length >= 16);
      await sandbox.delete();
      left.push(...processesWith(seconds));
    }
    expect(left).toEqual([]);
  });

  it('leaves nothing inside that leads outside', async () => {
    const sandbox = await new SandboxClient(localBackend()).create();
    // The keeper says that it is ready before it lets go of what it says that on, whose other end is gone by then.
    await eventually('it has let go', async () => {
      const { stdout } = await sandbox.exec(['readlink', '/proc/2/fd/1', '/proc/2/fd/2']);
      return stdout === '/dev/null\n/dev/null\n';
    });
    await sandbox.delete();
  });
});
