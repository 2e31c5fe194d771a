import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { processesWith, uniqueSeconds, uniqueWord } from '../backends/local/host.js';
import { isolationForTests } from '../support/isolation.js';
import { awaitSize, ended, jsonLines, openTerminal, start, type Ended } from './program.js';

const isolation = isolationForTests();

/** Runs a command by `sandbox-rx run`, with this as its standard input. */
async function run(
  command: readonly string[],
  options: readonly string[] = [],
  input = '',
): Promise<Ended> {
  const child = start('run', '--isolation', isolation, ...options, '--', ...command);
  child.stdin?.end(input);
  return ended(child);
}

describe('sandbox-rx run', () => {
  it('passes on both streams and the exit status', async () => {
    const result = await run(['sh', '-c', 'echo out; echo err >&2; exit 5']);
    expect(result).toEqual({ code: 5, signal: null, stdout: 'out\n', stderr: 'err\n' });
  });

  it('passes on standard input', async () => {
    expect(await run(['tr', 'a-z', 'A-Z'], [], 'hello\n')).toMatchObject({
      code: 0,
      stdout: 'HELLO\n',
    });
  });

  it('leaves options after the command to the command', async () => {
    expect(await run(['echo', '--json', '-n'])).toMatchObject({ stdout: '--json -n\n' });
  });

  it('sets variables, the directory and the time limit', async () => {
    const options = ['--env', 'A=1=2', '--env', 'B=', '--cwd', '/tmp'];
    expect(await run(['sh', '-c', 'echo "$A,$B"; pwd'], options)).toMatchObject({
      stdout: '1=2,\n/tmp\n',
    });
    const late = await run(['sleep', '60'], ['--timeout', '200ms']);
    expect(late).toMatchObject({ code: 124 });
    expect(late.stderr).toMatch(/longer than its timeoutMs of 200/);
  });

  it.each([
    ['a command that does not exist', ['no-such-command'], 127],
    ['a directory', ['/usr'], 126],
  ])('says what is wrong with %s', async (_what, command, code) => {
    const result = await run(command);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^sandbox-rx: /);
  });

  it('gives 128 and the number of the signal that killed the command', async () => {
    expect(await run(['sh', '-c', 'kill -KILL $$'])).toMatchObject({ code: 137, signal: null });
  });

  it('prints one event a line with --json, in base64 where the bytes are no text', async () => {
    const { stdout, code } = await run(['sh', '-c', 'printf "\\377"; exit 3'], ['--json']);
    expect(jsonLines(stdout)).toEqual([
      { type: 'stdout', offset: 0, base64: '/w==' },
      { type: 'exit', returncode: 3 },
    ]);
    expect(code).toBe(3);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends its command and dies of %s itself',
    async (signal) => {
      const seconds = uniqueSeconds();
      const child = start(
        'run',
        '--isolation',
        isolation,
        '--',
        'sh',
        '-c',
        'echo started; sleep "$0"',
        seconds,
      );
      child.stdout?.once('data', () => child.kill(signal));
      expect(await ended(child)).toMatchObject({ signal, stdout: 'started\n' });
      expect(processesWith(seconds)).toEqual([]);
    },
  );

  it.each([
    ['an unknown option', ['run', '--bogus']],
    ['no command', ['run']],
    ['a mount without isolation', ['run', '--isolation', 'none', '--mount', '/tmp', '--', 'true']],
    ['a mount that is no path', ['run', '--mount', '/tmp:relative', '--', 'true']],
  ])('says in a line what is wrong with %s, and ends with 125', async (_what, args) => {
    const result = await ended(start(...args));
    expect(result).toMatchObject({ code: 125, stdout: '' });
    expect(result.stderr).toMatch(/^(error|sandbox-rx): [^\n]+\n$/);
  });

  it('ends its command when nobody reads any more', async () => {
    const word = uniqueWord();
    const child = start('run', '--isolation', isolation, '--', 'yes', word);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(141);
    expect(processesWith(word)).toEqual([]);
  });

  it('passes on 20 MB of any bytes', async () => {
    const child = start(
      'run',
      '--isolation',
      isolation,
      '--',
      'head',
      '-c',
      '20000000',
      '/dev/urandom',
    );
    let bytes = 0;
    child.stdout?.on('data', ({ length }: Buffer) => (bytes += length));
    await once(child, 'close');
    expect(bytes).toBe(20_000_000);
  });

  it.each([
    ['--isolation', 'chroot'],
    ['--timeout', 'soon'],
    ['--env', '=x'],
    ['--mount', ':x'],
    ['--unknown', ''],
  ])('refuses %s %s', async (option, value) => {
    const result = await ended(start('run', option, value, '--', 'true'));
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/^error: /);
  });
});

describe('sandbox-rx shell', () => {
  it.each(['', 'echo hi\n'])('ends with its input %j', async (input) => {
    const child = start('shell', '--isolation', isolation);
    child.stdin?.end(input);
    const { code, stdout } = await ended(child);
    expect(code).toBe(0);
    if (input !== '') expect(stdout).toContain('hi');
  });

  it('ends when nobody reads any more', async () => {
    const child = start('shell', '--isolation', isolation);
    child.stdout?.once('data', () => {
      child.stdout?.destroy();
      child.stdin?.write('yes\n');
    });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(141);
  });

  it('ends at its time limit, though nobody takes what it wrote', async () => {
    const child = start('shell', '--isolation', isolation, '--timeout', '1s');
    child.stdin?.write('yes\n');
    expect(await once(child, 'exit')).toEqual([124, null]);
    child.stdout?.destroy();
  });

  it('loses no byte to a slow reader', async () => {
    const child = start('shell', '--isolation', isolation);
    child.stdin?.end('head -c 3000000 /dev/zero | tr "\\0" "\\377"; exit 3\n');
    let bytes = 0;
    for await (const chunk of child.stdout ?? []) {
      bytes += (chunk as Buffer).filter((byte) => byte === 0xff).length;
      await setTimeout(2);
    }
    expect(bytes).toBe(3_000_000);
  });

  it('takes what is typed after its end for nothing', async () => {
    const child = start('shell', '--isolation', isolation);
    child.stdin?.on('error', () => undefined);
    let typing: NodeJS.Timeout | undefined;
    child.stdout?.once('data', () => {
      child.stdin?.write('exit 4\n');
      typing = setInterval(() => child.stdin?.write('x'), 1);
    });
    const { code, stderr } = await ended(child);
    clearInterval(typing);
    expect({ code, stderr }).toEqual({ code: 4, stderr: '' });
  });

  it('is a terminal that follows the size of ours, and ends with the status of the shell', async () => {
    const terminal = openTerminal('shell', '--isolation', isolation);
    await terminal.until(/[$#] $/);
    terminal.write('stty size\r');
    await terminal.until(/30 100/);
    terminal.resize(80, 20);
    terminal.write(awaitSize(20, 80));
    await terminal.until(/resized/);
    terminal.write('exit 7\r');
    expect(await terminal.exited).toBe(7);
  });
});
