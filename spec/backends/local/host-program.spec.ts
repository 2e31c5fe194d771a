import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, openSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SandboxClient } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { elapsed, eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { bundledHostProgram, HostProgram } from './host-program.js';

let program: string;
let remove: () => void;
const programs: Set<HostProgram> = new Set();

beforeAll(async () => {
  ({ program, remove } = await bundledHostProgram());
});

afterEach(() => {
  for (const one of programs) one.dispose();
  programs.clear();
});

afterAll(() => {
  remove();
});

function start(
  ...args: ConstructorParameters<typeof HostProgram> extends [string, ...infer Rest] ? Rest : never
) {
  const one = new HostProgram(program, ...args);
  programs.add(one);
  return one;
}

/** Whether nobody listens there. */
function isRefused({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const visitor = connect({ host: hostname, port: Number(port) });
    visitor.once('connect', () => {
      resolve(false);
      visitor.destroy();
    });
    visitor.on('error', () => {
      resolve(true);
    });
  });
}

function endOfProgram(isolation: 'bubblewrap' | 'none'): void {
  it('by SIGKILL leaves no process and no file', async () => {
    const host = start(['run', isolation]);
    await eventually('its sandbox is busy', () => host.stdout.includes('ready'));
    expect(host.left().length).toBeGreaterThan(4);
    host.child.kill('SIGKILL');
    await host.ended();
    await eventually('nothing is left', () => host.left().length === 0);
  });

  it('by SIGKILL at any moment, also while a sandbox is made, leaves nothing', async () => {
    const round = async (): Promise<void> => {
      const host = start(['create', isolation]);
      await eventually('it begins', () => host.stdout.includes('ready'));
      await elapsed(Math.random() * 60);
      host.child.kill('SIGKILL');
      await host.ended();
      await eventually('nothing is left', () => host.left().length === 0);
    };
    for (let rounds = 0; rounds < 25; rounds++) await Promise.all([round(), round()]);
  }, 600_000);

  it('by SIGKILL while a snapshot is taken leaves none that looks whole', async () => {
    const host = start(['snapshot', isolation]);
    const snapshotDirectory = join(host.directory, 'snapshots');
    const files = (): string[] =>
      existsSync(snapshotDirectory) ? readdirSync(snapshotDirectory) : [];
    const isWritten = (file: string): boolean => statSync(join(snapshotDirectory, file)).size > 0;
    await eventually('it is being taken', () => files().some(isWritten));
    host.child.kill('SIGKILL');
    await host.ended();
    expect(files()).toEqual([expect.stringMatching(/\.part$/)]);
    const { snapshots } = new SandboxClient(localBackend({ isolation, snapshotDirectory }));
    expect(await snapshots.list()).toEqual([]);
    expect(files()).toEqual([]);
  });

  it('comes by itself where delete() was forgotten, and leaves nothing', async () => {
    const host = start(['forget', isolation]);
    expect(await host.said()).toBe('done');
    expect(host.child.exitCode).toBe(0);
    await eventually('nothing is left', () => host.left().length === 0);
  });

  it('by SIGTERM leaves nothing', async () => {
    const host = start(['run', isolation]);
    await eventually('its sandbox is busy', () => host.stdout.includes('ready'));
    host.child.kill('SIGTERM');
    await host.ended();
    await eventually('nothing is left', () => host.left().length === 0);
  });

  it('has no terminals without node-pty, and says what to install', async () => {
    const said = await start(['terminal', isolation]).said();
    expect(said).toContain('ERR_UNSUPPORTED');
    expect(said).toContain('npm install @lydell/node-pty');
  });
}

describe('the end of a program without isolation', () => {
  endOfProgram('none');
});

describeWithBubblewrap('the end of a program with bubblewrap', () => {
  endOfProgram('bubblewrap');

  it('by SIGKILL leaves nobody who listens for the services of its sandboxes', async () => {
    const host = start(['services', 'bubblewrap']);
    await eventually('it has a sandbox', () => host.stdout.endsWith('\n'));
    const address = new URL(host.stdout);
    expect(await isRefused(address)).toBe(false);
    host.child.kill('SIGKILL');
    await host.ended();
    await eventually('connections are refused', () => isRefused(address));
  });

  it('has handed on no file descriptor that it inherited itself', async () => {
    const host = start(['descriptors', 'bubblewrap'], {
      stdio: [
        'ignore',
        'pipe',
        'pipe',
        openSync('/etc/passwd', 'r'),
        'ignore',
        'pipe',
        openSync('/', 'r'),
      ],
    });
    const open = [...(await host.said()).matchAll(/ (\d+) -> (.*)/g)].filter(
      ([, fd]) => Number(fd) > 2,
    );
    // What it inherited was replaced.
    for (const [, , target] of open) expect(target).toBe('/dev/null');
  });

  const ordinary =
    process.getuid?.() === 0 ? ['--reuid=65534', '--regid=65534', '--clear-groups'] : [];

  it('works the same for an ordinary user', async () => {
    const through = ordinary.length === 0 ? [] : ['setpriv', ...ordinary, '--'];
    const host = start(['ordinary', 'bubblewrap'], { through });
    const said = await host.said();
    expect(JSON.parse(said)).toEqual({
      uid: ordinary.length === 0 ? process.getuid?.() : 65_534,
      before: '2',
      after: '0',
      signal: 'SIGINT',
      bombed: true,
      text: 'text',
    });
    await eventually('nothing is left', () => host.left().length === 0);
  });
});
