import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { processesWith, uniqueSeconds, uniqueWord } from '../backends/local/host.js';
import { alteredBackend } from '../support/altered-backend.js';
import { isolationForTests } from '../support/isolation.js';
import { useHost } from './host.js';
import { awaitSize, ended, jsonLines, start } from './program.js';

const isolation = isolationForTests();
const host = useHost();

async function newId(): Promise<string> {
  return (await host.client.create()).id;
}

describe('sandbox-rx exec', () => {
  it('passes on both streams and the exit status', async () => {
    const script = 'echo out; echo err >&2; exit 5';
    const result = await host.run('exec', await newId(), '--', 'sh', '-c', script);
    expect(result).toEqual({ code: 5, signal: null, stdout: 'out\n', stderr: 'err\n' });
  });

  it('passes on standard input with -i, any bytes, and nothing without', async () => {
    const id = await newId();
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    const child = host.start('exec', '-i', id, 'cat');
    child.stdin?.end(input);
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(Buffer.concat(pieces).equals(input)).toBe(true);

    const deaf = host.start('exec', id, 'cat');
    deaf.stdin?.on('error', () => undefined);
    deaf.stdin?.end('hello');
    expect(await ended(deaf)).toMatchObject({ code: 0, stdout: '' });
  });

  it('leaves options after the sandbox to the command, with and without --', async () => {
    const id = await newId();
    const words = ['echo', '--json', '-n', '--'];
    const said = { code: 0, stdout: '--json -n --\n' };
    expect(await host.run('exec', id, ...words)).toMatchObject(said);
    expect(await host.run('exec', id, '--', ...words)).toMatchObject(said);
  });

  it('sets variables, the directory and the time limit', async () => {
    const id = await newId();
    const options = ['--env', 'A=1=2', '--env', 'B=', '--cwd', '/tmp'];
    expect(await host.run('exec', ...options, id, 'sh', '-c', 'echo "$A,$B"; pwd')).toMatchObject({
      stdout: '1=2,\n/tmp\n',
    });
    const late = await host.run('exec', '--timeout', '200ms', id, 'sleep', '60');
    expect(late).toMatchObject({ code: 124 });
    expect(late.stderr).toMatch(/^sandbox-rx: .+timeoutMs of 200\n$/);
  });

  it.each([
    ['a command that does not exist', ['no-such-command'], 127],
    ['a directory', ['/usr'], 126],
    ['a signal', ['sh', '-c', 'kill -KILL $$'], 137],
  ])('ends with the status for %s', async (_what, words, code) => {
    expect(await host.run('exec', await newId(), ...words)).toMatchObject({ code, stdout: '' });
  });

  it('prints a character whole with --json, though it comes in two chunks', async () => {
    const id = await newId();
    const script =
      'printf "a\\303"; until test -e go; do sleep 0.05; done; printf "\\251b\\303"; printf "\\342\\202" >&2';
    const child = host.start('exec', '--json', id, 'sh', '-c', script);
    child.stdout?.once('data', () => {
      void host.client.get(id).then((sandbox) => sandbox.files.write('go', ''));
    });
    const events = jsonLines((await ended(child)).stdout);
    const isError = (event: unknown): boolean => JSON.stringify(event).includes('"stderr"');
    expect(events.filter((event) => !isError(event))).toEqual([
      { type: 'stdout', offset: 0, text: 'a' },
      { type: 'stdout', offset: 1, text: 'éb' },
      { type: 'stdout', offset: 4, base64: 'ww==' },
      { type: 'exit', returncode: 0 },
    ]);
    expect(events.filter(isError)).toEqual([{ type: 'stderr', offset: 0, base64: '4oI=' }]);
  });

  it('prints one event a line with --json', async () => {
    const script = 'printf "\\377"; exit 3';
    const { stdout, code } = await host.run('exec', '--json', await newId(), 'sh', '-c', script);
    expect(jsonLines(stdout)).toEqual([
      { type: 'stdout', offset: 0, base64: '/w==' },
      { type: 'exit', returncode: 3 },
    ]);
    expect(code).toBe(3);
  });

  it.each([
    ['a sandbox that does not exist', ['exec', 'sb-none', 'true'], /no sandbox sb-none/],
    ['no command', ['exec', 'sb-none', '--'], /missing required argument/],
    ['an option behind the sandbox', ['exec', 'sb-none', '-i', 'cat'], /before SANDBOX/],
    ['a terminal as JSON', ['exec', '-t', '--json', 'sb-none', 'cat'], /cannot be used with/],
  ])('says in a line what is wrong with %s, and ends with 125', async (_what, args, said) => {
    const { code, stdout, stderr } = await host.run(...args);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(/^(error|sandbox-rx): [^\n]+\n$/);
    expect(stderr).toMatch(said);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends its command, not the sandbox, and dies of %s itself',
    async (signal) => {
      const seconds = uniqueSeconds();
      const sandbox = await host.client.create();
      const child = host.start('exec', sandbox.id, 'sh', '-c', 'echo started; sleep "$0"', seconds);
      child.stdout?.once('data', () => child.kill(signal));
      expect(await ended(child)).toMatchObject({ signal, stdout: 'started\n', stderr: '' });
      expect(processesWith(seconds)).toEqual([]);
      expect(await sandbox.status()).toMatchObject({ status: 'running' });
    },
  );

  it('says that it does not know the end when the server goes away', async () => {
    const brief = new Host(localBackend({ isolation }));
    const url = await brief.listen();
    const id = (await ended(start('create', '--url', url))).stdout.trimEnd();
    const child = start('exec', '--url', url, id, 'sh', '-c', 'echo started; sleep 60');
    child.stdout?.once('data', () => {
      brief.close();
    });
    const { code, stdout, stderr } = await ended(child);
    expect({ code, stdout }).toEqual({ code: 125, stdout: 'started\n' });
    expect(stderr).toMatch(/^sandbox-rx: the connection was lost, .+ not known: [^\n]+\n$/);
    await brief.close();
  });

  it('ends its command when nobody reads any more', async () => {
    const word = uniqueWord();
    const child = host.start('exec', await newId(), 'yes', word);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(141);
    expect(processesWith(word)).toEqual([]);
  });

  it('is a terminal with -it that follows the size of ours', async () => {
    const terminal = host.terminal('exec', '-it', await newId(), '--', 'sh');
    await terminal.until(/[$#] $/);
    terminal.write('stty size\r');
    await terminal.until(/30 100/);
    terminal.resize(80, 20);
    terminal.write(awaitSize(20, 80));
    await terminal.until(/resized/);
    terminal.write('exit 7\r');
    expect(await terminal.exited).toBe(7);
  });

  it('has a terminal with -t alone, and no keys', async () => {
    const script = 'test -t 1 && ! read line && exit 6';
    expect(await host.run('exec', '-t', await newId(), 'sh', '-c', script)).toMatchObject({
      code: 6,
    });
  });
});

describe('sandbox-rx shell SANDBOX', () => {
  it('is a terminal in that sandbox', async () => {
    const sandbox = await host.client.create();
    await sandbox.files.write('hello.txt', 'hello from the file\n');
    const terminal = host.terminal('shell', sandbox.id);
    await terminal.until(/[$#] $/);
    terminal.write('cat hello.txt\r');
    await terminal.until(/hello from the file/);
    terminal.write('exit 4\r');
    expect(await terminal.exited).toBe(4);
    expect(await sandbox.status()).toMatchObject({ status: 'running' });
  });

  it('refuses what is for a new sandbox, and a sandbox where there is no server', async () => {
    for (const option of ['--network=host', '--lifetime=1h']) {
      expect(await host.run('shell', option, 'sb-none')).toMatchObject({
        code: 125,
        stderr: 'error: --isolation, --network, --mount and --lifetime are for a new sandbox\n',
      });
    }
    const alone = await host.run('shell', '--backend', 'local', 'sb-none');
    expect(alone).toMatchObject({ code: 125, stdout: '' });
  });
});

describe('sandbox-rx run and shell on a server', () => {
  it('run in a sandbox of their own there, which is gone afterwards', async () => {
    const before = await host.client.list();
    const child = host.start('run', '--', 'cat');
    child.stdin?.write('x');
    child.stdout?.once('data', () => {
      const counting = host.client.list({ status: 'running' }).then(({ length }) => length);
      void counting.then((count) => child.stdin?.end(` of ${count}`));
    });
    const running = before.filter(({ status }) => status === 'running').length;
    expect(await ended(child)).toMatchObject({ code: 0, stdout: `x of ${running + 1}` });

    const shell = host.start('shell');
    shell.stdin?.end('exit 3\n');
    expect(await ended(shell)).toMatchObject({ code: 3 });
    expect(await host.client.list()).toEqual(before);
  });

  it('have an end where they are given one, for who cannot delete it any more', async () => {
    const ends: (number | undefined)[] = [];
    const backend = localBackend({ isolation });
    const noting = alteredBackend(backend, {
      create: (spec) => {
        ends.push(spec.lifetimeMs);
        return backend.create(spec);
      },
    });
    const other = new Host(noting);
    const url = await other.listen();
    for (const options of [[], ['--timeout', '30'], ['--timeout', '30', '--lifetime', '5m']]) {
      await ended(start('--url', url, 'run', ...options, 'true'));
    }
    const shell = start('--url', url, 'shell', '--lifetime', '2h');
    shell.stdin?.end();
    await ended(shell);
    expect(ends).toEqual([undefined, 90_000, 300_000, 7_200_000]);
    await other.close();
  });

  it('refuse what only sandboxes of this program have, unless they are asked for', async () => {
    const refused = await host.run('run', '--isolation', isolation, 'true');
    expect(refused).toMatchObject({ code: 125, stdout: '' });
    expect(refused.stderr).toMatch(/--isolation and --mount are for .+ add --backend local\n$/);
  });
});
