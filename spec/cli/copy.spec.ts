import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from 'sandbox-rx';
import { useHost } from './host.js';

const host = useHost();
const large = randomBytes(20_000_000);
let sandbox: Sandbox;
let here = '';

beforeAll(async () => {
  sandbox = await host.client.create();
  here = await mkdtemp(join(tmpdir(), 'sandbox-rx-cp-'));
  await writeFile(join(here, 'large.bin'), large);
});

afterAll(async () => {
  await rm(here, { recursive: true });
});

function there(path: string): string {
  return `${sandbox.id}:${path}`;
}

/** Silence and success. */
const done = { code: 0, signal: null, stdout: '', stderr: '' };

describe('sandbox-rx cp', () => {
  it('copies 20 MB of any bytes there and back', async () => {
    const result = await host.run('cp', join(here, 'large.bin'), there('new/sub/large.bin'));
    expect(result).toEqual(done);
    const back = join(here, 'back.bin');
    expect(await host.run('cp', there('new/sub/large.bin'), back)).toEqual(done);
    expect(large.equals(await readFile(back))).toBe(true);
  });

  it('copies from standard input, and to standard output', async () => {
    const up = host.start('cp', '-', there('piped.bin'));
    up.stdin?.end(large);
    expect(await once(up, 'close')).toEqual([0, null]);
    const down = host.start('cp', there('piped.bin'), '-');
    const pieces: Buffer[] = [];
    down.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    expect(await once(down, 'close')).toEqual([0, null]);
    expect(large.equals(Buffer.concat(pieces))).toBe(true);
  });

  it.each([
    ['empty', ''],
    ['small', 'hello\n'],
  ])('copies an %s file', async (name, text) => {
    await writeFile(join(here, name), text);
    expect(await host.run('cp', join(here, name), there(name))).toEqual(done);
    expect(await host.run('cp', there(name), join(here, `${name}.back`))).toEqual(done);
    expect(await readFile(join(here, `${name}.back`), 'utf8')).toBe(text);
  });

  it('puts a file into a directory under the same name', async () => {
    await sandbox.files.write('dir/other', '');
    const file = join(here, 'a:b');
    await writeFile(file, 'in a directory');
    for (const [target, path] of [
      ['', 'a:b'],
      ['dir', 'dir/a:b'],
      ['dir/new/', 'dir/new/a:b'],
    ] as const) {
      expect(await host.run('cp', file, there(target))).toEqual(done);
      expect(await sandbox.files.readText(path)).toBe('in a directory');
    }
    await rm(file);
    expect(await host.run('cp', there('a:b'), here)).toEqual(done);
    expect(await readFile(file, 'utf8')).toBe('in a directory');
  });

  it('puts what is too large for one call into a directory too', async () => {
    await sandbox.files.write('into/other', '');
    expect(await host.run('cp', join(here, 'large.bin'), there('into'))).toEqual(done);
    expect((await sandbox.files.read('into/large.bin')).length).toBe(large.length);
  });

  it('says how much it was with --json', async () => {
    await sandbox.files.write('ten', '0123456789');
    const [source, destination] = [there('ten'), join(here, 'ten')];
    const { stdout } = await host.run('cp', '--json', source, destination);
    expect(JSON.parse(stdout)).toEqual({ source, destination, bytes: 10 });
  });

  it('shows how far it is on a terminal, unless it is to be quiet', async () => {
    const args = ['cp', join(here, 'large.bin'), there('shown')];
    const terminal = host.terminal(...args);
    await terminal.until(/large\.bin {2}20\.0 MB {2}100% {2}.+\/s/);
    expect(await terminal.exited).toBe(0);
    const quiet = host.terminal(...args, '--quiet');
    expect(await quiet.exited).toBe(0);
    await quiet.until(/^$/);
  });

  it('leaves a file alone for which there is nothing to put there', async () => {
    const file = join(here, 'precious');
    await writeFile(file, 'precious');
    const result = await host.run('cp', there('no-such-file'), file);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/^sandbox-rx: no-such-file: .*No such file[^\n]*\n$/);
    expect(await readFile(file, 'utf8')).toBe('precious');
  });

  it('ends when nobody reads any more', async () => {
    await sandbox.files.write('long', large);
    const child = host.start('cp', there('long'), '-');
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await once(child, 'exit')).toEqual([141, null]);
  });

  it.each([
    ['no such sandbox to read from', 1, ['sb-none:x', '-'], /no sandbox sb-none/],
    ['no such sandbox to write to', 1, ['/etc/hostname', 'sb-none:x'], /no sandbox sb-none/],
    ['no such file here', 1, ['/no/such', 'HERE:x'], /no such file.+\/no\/such/],
    ['a directory here', 125, ['/etc', 'HERE:x'], /is a directory.+tar/],
    ['a directory there', 1, ['HERE:.', '-'], /directory/i],
    ['a place here that is not there', 1, ['HERE:large.bin', '/no/such/file'], /no such file/],
    ['no name for standard input', 125, ['-', 'HERE:dir/'], /needs a file name/],
    ['two files here', 125, ['a', 'b'], /has to be SANDBOX:PATH/],
    ['two files there', 125, ['HERE:a', 'HERE:b'], /has to be SANDBOX:PATH/],
    ['JSON among the bytes', 125, ['--json', 'HERE:a', '-'], /^error: with --json/],
  ])('says in a line what is wrong with %s', async (_what, code, args, said) => {
    await sandbox.files.write('large.bin', 'x');
    const words = args.map((word) => word.replace('HERE', sandbox.id));
    const result = await host.run('cp', ...words);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^(error|sandbox-rx): [^\n]+\n$/);
    expect(result.stderr).toMatch(said);
  });
});
