import { expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeWithBubblewrap } from '../backends/local/bubblewrap.js';
import { root } from '../support/repository.js';

// The built programs on a machine that lacks something, which bubblewrap itself can make of this one.
const wholeSystem = ['--dev-bind', '/', '/'];
const bwrap = spawnSync('sh', ['-c', 'command -v bwrap'], { encoding: 'utf8' }).stdout.trim();

function within(machine: readonly string[], program: string, ...args: readonly string[]) {
  const words = [...wholeSystem, ...machine, '--', process.execPath, join(root, 'dist', program)];
  const { status, stdout, stderr } = spawnSync('bwrap', [...words, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describeWithBubblewrap('where sandboxes cannot be had', () => {
  const machines: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'bubblewrap is not installed',
      ['--bind', '/dev/null', bwrap],
      /needs bwrap, which is not installed: apt-get install bubblewrap/,
    ],
    [
      'user namespaces are not permitted',
      ['--unshare-user', '--disable-userns'],
      /could not make a sandbox here: .+Unprivileged user namespaces have to be allowed/,
    ],
  ];

  it.each(machines)('the command says what to do where %s', (_, machine, said) => {
    const result = within(machine, 'cli.js', 'run', '--', 'echo', 'hi');
    expect(result).toMatchObject({ status: 125, stdout: '' });
    expect(result.stderr).toMatch(said);
    expect(result.stderr).toContain("isolation: 'none'");
  });

  it.each(machines)(
    'the demo says so and goes on without isolation where %s',
    (_, machine, said) => {
      const result = within(machine, 'demo.js');
      expect(result).toMatchObject({ status: 0 });
      expect(result.stdout + result.stderr).toMatch(said);
      expect(result.stdout).toContain('isolation: none');
    },
  );

  it('makes sandboxes as the only user of a user namespace', () => {
    const result = within(
      ['--unshare-user', '--uid', '0', '--gid', '0', '--cap-add', 'ALL'],
      'cli.js',
      'run',
      '--',
      'id',
      '-u',
    );
    expect(result).toEqual({ status: 0, stdout: '0\n', stderr: '' });
  });
});
