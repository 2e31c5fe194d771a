import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SnapshotInfo } from 'sandbox-rx';
import { isolationForTests } from '../support/isolation.js';
import { useHost } from './host.js';
import { ended, start } from './program.js';

const host = useHost();

async function told(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd();
}

describe('sandbox-rx snapshot', () => {
  it('keeps what is in a volume, for a sandbox that begins with it', async () => {
    const first = await told('create', '--volume', 'work:work', '--volume', 'other:other');
    await told('exec', first, 'sh', '-c', 'echo kept >work/file');
    const id = await told('snapshot', 'create', first, '--volume', 'work');
    await told('delete', first);
    const restore = ['--volume', 'work:far/away', '--restore', `work=${id}`];
    const second = await told('create', ...restore);
    expect(await told('exec', second, 'cat', 'far/away/file')).toBe('kept');
  });

  it('lists, shows and deletes them', async () => {
    const sandbox = await told('create', '--volume', 'work:work');
    const json = await told('snapshot', 'create', '--json', sandbox);
    const info = JSON.parse(json) as SnapshotInfo;
    const other = await told('snapshot', 'create', sandbox);
    expect(info).toEqual(await host.client.snapshots.get(info.id));
    const ofSandbox = ['snapshot', 'ls', '--sandbox', sandbox] as const;
    expect(await told(...ofSandbox, '-q')).toBe(`${info.id}\n${other}`);
    expect(JSON.parse(await told(...ofSandbox, '--json'))).toHaveLength(2);
    const cells = [info.id, sandbox, String(info.sizeBytes), expect.stringMatching(/Z$/)];
    const [line = ''] = (await told(...ofSandbox)).split('\n');
    expect(line.split('\t')).toEqual(cells);
    expect(JSON.parse(await told('snapshot', 'get', '--json', info.id))).toEqual(info);
    expect(await told('snapshot', 'get', info.id)).toMatch(
      new RegExp(`^id\t${info.id}\nsandbox\t${sandbox}\nsize\t\\d+\ncreated\t.+Z$`),
    );
    const terminal = host.terminal(...ofSandbox);
    await terminal.until(/ID +SANDBOX +SIZE +CREATED.+ k?B +\d+s ago/s);
    expect(await terminal.exited).toBe(0);

    const deleted = await host.run('snapshot', 'delete', info.id, 'absent', other);
    expect(deleted.code).toBe(1);
    expect(deleted.stdout.trimEnd().split('\n').sort()).toEqual([info.id, other].sort());
    expect(deleted.stderr).toMatch(/there is no snapshot absent/);
    expect(await host.run(...ofSandbox, '--json')).toMatchObject({ stdout: '[]\n' });
    expect(await host.run('snapshot', 'get', info.id)).toMatchObject({ code: 1, stdout: '' });
  });

  it.each([
    [['--volume', 'work'], /NAME:PATH/],
    [['--volume', 'work:work:much'], /number of bytes/],
    [['--volume', 'work:work', '--restore', 'work'], /NAME=SNAPSHOT/],
    [['--restore', 'work=snap-1'], /give --volume work:PATH/],
    [['--volume', 'w w:work'], /letters/],
  ])('refuses %j', async (options, message) => {
    const { code, stdout, stderr } = await host.run('create', ...options);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('says of a sandbox without volumes that it has none', async () => {
    const { code, stderr } = await host.run('snapshot', 'create', await told('create'));
    expect(code).toBe(125);
    expect(stderr).toMatch(/has no volume/);
  });

  it('takes the server as other commands do, before its name and after it', async () => {
    const child = start('snapshot', 'ls', '--json', '--sandbox', 'absent', '--url', host.url);
    expect(await ended(child)).toMatchObject({ code: 0, stdout: '[]\n' });
  });
});

describe('sandbox-rx serve', () => {
  async function serving(...options: readonly string[]) {
    const isolation = ['--isolation', isolationForTests()];
    const server = start('serve', '--port', '0', '--log-level', 'error', ...isolation, ...options);
    const over = ended(server);
    const [line] = (await once(server.stdout ?? server, 'data')) as [Buffer];
    const url = line.toString().trim();
    return {
      run: (...args: readonly string[]) => ended(start('--url', url, ...args)),
      end: (signal: NodeJS.Signals) => {
        server.kill(signal);
        return over;
      },
    };
  }

  it('without --data refuses volumes and snapshots, and says so', async () => {
    const { run, end } = await serving();
    for (const args of [
      ['create', '--volume', 'work:work'],
      ['snapshot', 'ls'],
    ]) {
      const { code, stderr } = await run(...args);
      expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringMatching(/--data/) });
    }
    await end('SIGTERM');
  });

  it('with --data has them again after it was killed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-cli-'));
    try {
      const first = await serving('--data', directory);
      const made = await first.run('create', '--volume', 'work:work');
      const taken = await first.run('snapshot', 'create', made.stdout.trimEnd());
      await first.end('SIGKILL');
      const second = await serving('--data', directory);
      expect((await second.run('snapshot', 'ls', '-q')).stdout).toBe(taken.stdout);
      await second.end('SIGTERM');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
