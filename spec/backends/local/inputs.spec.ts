import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { SandboxClient, type SandboxSpec, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { failureOf } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';

function inputs(isolation: 'bubblewrap' | 'none'): void {
  const within = async (
    work: (sandbox: Sandbox) => Promise<void>,
    spec: SandboxSpec = {},
  ): Promise<void> => {
    const sandbox = await new SandboxClient(localBackend({ isolation })).create(spec);
    await work(sandbox);
    await sandbox.delete();
  };

  it('lets go of an endless source when the command does not read on', async () => {
    await within(async (sandbox) => {
      let released = false;
      function* endless(): Generator<string> {
        try {
          for (;;) yield 'y\n';
        } finally {
          released = true;
        }
      }
      const { stdout } = await sandbox.exec(['head', '-c', '4'], { stdin: endless() });
      expect([stdout, released]).toEqual(['y\ny\n', true]);
    });
  });

  it.each(['', 'abc', 'abc\n'])('ends the input of a terminal after %j', async (stdin) => {
    await within(async (sandbox) => {
      const { stdout, returncode } = await sandbox.exec(['cat'], { tty: true, stdin });
      expect([stdout.includes(stdin.trim()), returncode]).toEqual([true, 0]);
    });
  });

  it('fails to write a file whose source fails', async () => {
    await within(async (sandbox) => {
      const broken = new Error('broken');
      async function* source(): AsyncGenerator<string> {
        yield await Promise.resolve('part');
        throw broken;
      }
      expect(await failureOf(sandbox.files.write('file', source()))).toBe(broken);
    });
  });

  it('reads regular files and links to them, and nothing else', async () => {
    await within(async (sandbox) => {
      const script = 'echo text >file; ln -s file link; ln -s /dev/zero endless; mkfifo fifo';
      await sandbox.exec(['sh', '-c', script], { check: true });
      expect(await sandbox.files.readText('link')).toBe('text\n');
      for (const path of ['/dev/null', 'endless', 'fifo']) {
        const error = await failureOf(sandbox.files.read(path));
        expect(error).toMatchObject({ code: 'ERR_FILE', reason: 'failed', path });
        expect(String(error)).toContain('not a regular file');
      }
    });
  });

  it('takes paths of files from the home on, whatever commands start with', async () => {
    await within(
      async ({ files }) => {
        await files.write('d\n/f', 'text');
        expect((await files.list()).map(({ name }) => name)).toEqual(['d\n']);
        expect(await files.readText('d\n/f')).toBe('text');
      },
      { cwd: '/tmp', env: { PATH: '/absent' } },
    );
  });
}

describe('without isolation', () => {
  inputs('none');

  it('removes a home that was made hard to remove', async () => {
    const sandbox = await new SandboxClient(localBackend({ isolation: 'none' })).create();
    const script = 'mkdir d && touch d/f && pwd && chmod 0 d';
    const home = (await sandbox.exec(['sh', '-c', script])).stdout.trim();
    await sandbox.delete();
    expect(existsSync(home)).toBe(false);
  });
});

describeWithBubblewrap('with bubblewrap', () => {
  inputs('bubblewrap');
});
