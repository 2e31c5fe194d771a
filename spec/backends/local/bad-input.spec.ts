import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { config, throwError } from 'rxjs';
import { SandboxClient, SandboxValidationError, type ExecOptions, type Sandbox } from 'sandbox-rx';
import { localBackend, type Mount } from 'sandbox-rx/node';
import { failureOf } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';

function badInput(isolation: 'bubblewrap' | 'none'): void {
  let sandbox: Sandbox;
  const attempt = async (
    command: readonly string[],
    options: ExecOptions = {},
  ): Promise<unknown> => {
    const process = sandbox.exec(command, options);
    const error = await failureOf(process.result());
    await process.closed;
    return error;
  };

  beforeAll(async () => {
    sandbox = await new SandboxClient(localBackend({ isolation })).create();
    await sandbox.files.write('plain', 'echo hi');
    await sandbox.files.write('dir/file', '');
    const scripts = {
      script: '#!/absent/interpreter -x\n',
      crlf: '#!/bin/sh\r\necho\r\n',
      'by-directory': '#!/usr\n',
      'with spaces': '#! \t/bin/sh  -e\necho "$0"',
      'with nothing': '#!\necho "$0"',
      'a=b': '#!/bin/sh\necho "$0" "$@"',
    };
    for (const [name, text] of Object.entries(scripts)) await sandbox.files.write(name, text);
    await sandbox.exec(['chmod', '+x', ...Object.keys(scripts)], { check: true });
  });

  afterAll(async () => {
    await sandbox.delete();
  });

  it.each<[string, readonly string[], ExecOptions]>([
    ['an empty command', [], {}],
    ['an empty program name', [''], {}],
    ['a NUL in an argument', ['echo', 'a\0b'], {}],
    ['a NUL in a variable', ['true'], { env: { A: '\0' } }],
    ['an = in the name of a variable', ['true'], { env: { 'A=B': '' } }],
    ['a NUL in the cwd', ['true'], { cwd: '/\0' }],
    ['an empty cwd', ['true'], { cwd: '' }],
    ['a word that is no signal', ['true'], { killSignal: 'TERM' }],
    ['a time that is no number', ['true'], { timeoutMs: Number.NaN }],
    ['a time that no timer can hold', ['true'], { timeoutMs: 2 ** 31 }],
    ['a terminal of no size', ['true'], { tty: { rows: 0, cols: 80 } }],
    ['an unknown encoding', ['true'], { encoding: 'utf-9' }],
  ])('refuses %s at once', (_, command, options) => {
    expect(() => sandbox.exec(command, options)).toThrow(SandboxValidationError);
  });

  it('refuses a signal that this system does not have', async () => {
    expect(await attempt(['sleep', '9'], { killSignal: 'SIGNOPE' })).toMatchObject({
      code: 'ERR_VALIDATION',
    });
    const process = sandbox.exec(['sleep', '9']);
    expect(await failureOf(process.kill('SIGNOPE'))).toMatchObject({ code: 'ERR_VALIDATION' });
    process.cancel();
    await process.closed;
  });

  it.each<[string, readonly string[], string]>([
    ['a missing command', ['there-is-none'], 'not_found'],
    ['a missing path', ['./there/is/none'], 'not_found'],
    ['a path through a file', ['./plain/x'], 'not_found'],
    ['a directory', ['/usr'], 'not_executable'],
    ['a relative directory', ['./dir'], 'not_executable'],
    ['a file without the run bit', ['./plain'], 'not_executable'],
    ['a script without its interpreter', ['./script'], 'not_found'],
    ['a script with the line ends of another system', ['./crlf'], 'not_found'],
    ['a script whose interpreter is a directory', ['./by-directory'], 'not_executable'],
  ])('says why %s did not start', async (_, command, reason) => {
    expect(await attempt(command)).toMatchObject({ code: 'ERR_NOT_STARTED', reason });
    expect(await attempt(command, { stderr: 'stdout' })).toMatchObject({ reason });
  });

  it.each(['./with spaces', './with nothing', './a=b'])('runs the script %s', async (script) => {
    const env = { 'x.y': '1' };
    for (const options of [{}, { stderr: 'stdout' }, { env, stderr: 'stdout' }] as const)
      expect((await sandbox.exec([script, 'ls'], options)).stdout).toContain(script);
  });

  it('looks for another program after a script without its interpreter', async () => {
    const home = (await sandbox.exec(['pwd'])).stdout.trim();
    await sandbox.exec(['sh', '-c', 'mkdir bin && cp script bin/echo'], { check: true });
    const env = { PATH: `${home}/bin:/usr/bin:/bin` };
    for (const stderr of ['pipe', 'stdout'] as const)
      expect((await sandbox.exec(['echo', 'hi'], { env, stderr })).stdout).toBe('hi\n');
  });

  it('looks commands up by the PATH of the run', async () => {
    expect(await attempt(['true'], { env: { PATH: '/absent' } })).toMatchObject({
      reason: 'not_found',
    });
  });

  it('goes on after a directory in PATH that may not be searched', async () => {
    const home = (await sandbox.exec(['pwd'])).stdout.trim();
    await sandbox.exec(['mkdir', '-m', '0', 'closed'], { check: true });
    const env = { PATH: `${home}/closed:/usr/bin:/bin` };
    expect((await sandbox.exec(['echo', 'hi'], { env })).stdout).toBe('hi\n');
    expect(await attempt(['absent'], { env })).toMatchObject({ reason: 'not_found' });
  });

  it.each(['/absent', 'absent', 'plain', 'plain/below'])(
    'says that %s is no directory',
    async (cwd) => {
      expect(await attempt(['true'], { cwd })).toMatchObject({ reason: 'bad_cwd' });
    },
  );

  it.each<[string, readonly string[], ExecOptions]>([
    ['arguments', ['echo', ...Array.from({ length: 40 }, () => 'x'.repeat(100_000))], {}],
    ['a single argument', ['echo', 'x'.repeat(200_000)], {}],
    ['a variable', ['true'], { env: { HUGE: 'x'.repeat(200_000) } }],
  ])('says that %s are too large', async (_, command, options) => {
    expect(await attempt(command, options)).toMatchObject({ reason: 'too_large' });
  });

  it('takes large arguments that fit', async () => {
    const words = Array.from({ length: 10 }, () => 'x'.repeat(100_000));
    expect((await sandbox.exec(['echo', ...words])).stdout.length).toBe(1_000_010);
  });

  it('keeps odd arguments and variables as they are', async () => {
    const odd = [
      '',
      '-n',
      'a b',
      "'",
      '"',
      '$HOME',
      '`id`',
      'line\nbreak',
      'ünï',
      '*',
      '\\',
      '\x01',
    ];
    const { stdout } = await sandbox.exec(['printf', '%s\\0', ...odd]);
    expect(stdout).toBe(odd.map((word) => `${word}\0`).join(''));
    for (const A of odd)
      expect((await sandbox.exec(['printenv', 'A'], { env: { A } })).stdout).toBe(`${A}\n`);
    const env = {
      IFS: 'x',
      PS4: '$(id)',
      LD_LIBRARY_PATH: '/absent',
      OPTIND: '7',
      BASH_ENV: '/absent',
      CDPATH: '/',
      name: 'a',
      join: 'b',
      rx_join: 'c',
      PPID: 'd',
      'a-b.c': "it's",
      'BASH_FUNC_x%%': '() { echo x; }',
    };
    for (const options of [{ env }, { env, stderr: 'stdout' } as const]) {
      const seen = (await sandbox.exec(['env'], options)).stdout;
      for (const [name, value] of Object.entries(env)) expect(seen).toContain(`${name}=${value}\n`);
    }
    const missing = await attempt(['absent'], { env });
    expect(missing).toMatchObject({ reason: 'not_found' });
  });

  it('replaces bytes that are no UTF-8 in text, and keeps them as bytes', async () => {
    const { stdout, stdoutBytes } = await sandbox.exec(['printf', 'a\\377b']);
    expect(stdout).toBe('a\ufffdb');
    expect([...stdoutBytes]).toEqual([0x61, 0xff, 0x62]);
  });

  it('hands on what stdin fails with', async () => {
    const broken = new Error('broken');
    expect(await attempt(['cat'], { stdin: throwError(() => broken) })).toBe(broken);
    const text = [1] as unknown as string[];
    expect(await attempt(['cat'], { stdin: text })).toMatchObject({ code: 'ERR_VALIDATION' });
  });

  it('is not hurt by callbacks and subscribers that throw', async () => {
    const thrown = jest.fn();
    config.onUnhandledError = thrown;
    try {
      const fail = (): never => {
        throw new Error('thrown');
      };
      const process = sandbox.exec(['echo', 'fine'], { statsCallback: fail });
      process.stdout$.subscribe(fail);
      process.events$.subscribe(fail);
      expect(await process.result()).toMatchObject({ returncode: 0, stdout: 'fine\n' });
      await process.closed;
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(thrown).toHaveBeenCalled();
    } finally {
      config.onUnhandledError = null;
    }
  });

  it('refuses specs of the wrong kind at once', () => {
    const client = new SandboxClient(localBackend({ isolation }));
    for (const spec of [
      { id: '../up' },
      { id: '' },
      { command: [] },
      { env: { A: 1 } },
      { limits: { processes: 0 } },
      { limits: { memoryBytes: 1 } },
      { limits: { openFiles: 15 } },
      { lifetimeMs: -1 },
      { network: 'all' },
      { tags: 'red' },
    ]) {
      expect(() => client.create(spec as object)).toThrow(SandboxValidationError);
    }
  });
}

describe('bad input without isolation', () => {
  badInput('none');
});

describeWithBubblewrap('bad input with bubblewrap', () => {
  badInput('bubblewrap');
});

describeWithBubblewrap('a mount', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'mounts-'));
  });

  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  const failureOfMount = async (mount: Mount): Promise<unknown> => {
    const client = new SandboxClient(localBackend({ mounts: [mount] }));
    return failureOf(client.create());
  };

  it('whose source is not there is refused by its name', async () => {
    const source = join(directory, 'absent');
    const error = await failureOfMount({ source });
    expect(error).toMatchObject({ code: 'ERR_VALIDATION' });
    expect(String(error)).toContain(source);
  });

  it('that has no place to be at is named, and nothing is said of user namespaces', async () => {
    const error = await failureOfMount({ source: directory, target: '/usr/absent' });
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(String(error)).toContain(`the mount of ${directory}`);
    expect(String(error)).not.toContain('sysctl');
  });
});

describe('options of the local backend', () => {
  it('are checked at once', () => {
    expect(() => localBackend({ isolation: 'docker' as 'none' })).toThrow(SandboxValidationError);
    expect(() => localBackend({ mounts: [{ source: 'relative' }] })).toThrow(
      SandboxValidationError,
    );
    const twice = [{ source: '/usr' }, { source: '/etc', target: '/usr/' }];
    expect(() => localBackend({ mounts: twice })).toThrow('a target of its own');
    expect(() => localBackend({ isolation: 'none', mounts: [{ source: '/usr' }] })).toThrow(
      SandboxValidationError,
    );
  });
});
