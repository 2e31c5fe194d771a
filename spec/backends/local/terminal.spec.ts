import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SandboxClient, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';

function terminals(isolation: 'bubblewrap' | 'none'): void {
  let sandbox: Sandbox;

  beforeAll(async () => {
    sandbox = await new SandboxClient(localBackend({ isolation })).create();
  });

  afterAll(async () => {
    await sandbox.delete();
  });

  it('never lose the last byte of a fast command', async () => {
    for (let round = 0; round < 15; round++) {
      const runs = [1, 2, 3, 4].map(() =>
        sandbox
          .exec(['sh', '-c', 'head -c 20000 /dev/zero | tr "\\0" x; printf end'], { tty: true })
          .result(),
      );
      for (const { stdout, returncode } of await Promise.all(runs)) {
        expect([stdout.length, stdout.slice(-3), returncode]).toEqual([20_003, 'end', 0]);
      }
    }
  });

  it('carry a megabyte', async () => {
    const { stdout } = await sandbox.exec(
      ['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" x; printf end'],
      {
        tty: true,
      },
    );
    expect([stdout.length, stdout.slice(-3)]).toEqual([1_000_003, 'end']);
  });

  it('are terminals, and the controlling one', async () => {
    const { stdout } = await sandbox.exec(['sh', '-c', 'tty <&1; echo x >/dev/tty; echo $TERM'], {
      tty: true,
    });
    expect(stdout).toMatch(/^(\/dev\/pts\/\d+|not a tty)\r\nx\r\n\S+\r\n$/);
  });

  it('turn Control-C into SIGINT, and hang up when the run is cancelled', async () => {
    const process = sandbox.exec(
      ['sh', '-c', 'trap "echo caught; exit 7" INT; echo up; while :; do sleep 0.02; done'],
      {
        tty: true,
        stdin: true,
      },
    );
    let said = '';
    process.stdout$.subscribe((text) => (said += text));
    await eventually('it is up', () => said.includes('up'));
    await process.stdin?.write('\x03');
    expect(await process.result()).toMatchObject({ returncode: 7 });
    expect(said).toContain('caught');
  });

  it('give an interactive shell', async () => {
    const shell = sandbox.shell({ env: { PS1: '$ ' } });
    await shell.stdin?.writeline('echo $((6 * 7))');
    await shell.stdin?.writeline('exit 3');
    const { stdout, returncode } = await shell.result();
    expect(stdout).toContain('42');
    expect(returncode).toBe(3);
    await shell.closed;
  });

  it('end for a reader of standard input at its end', async () => {
    const { stdout } = await sandbox.exec(['cat'], { tty: true, stdin: 'a line\n' });
    expect(stdout).toBe('a line\r\na line\r\n');
  });
}

describe('terminals without isolation', () => {
  terminals('none');
});

describeWithBubblewrap('terminals with bubblewrap', () => {
  terminals('bubblewrap');
});
