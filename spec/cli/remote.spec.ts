import { beforeAll, describe, expect, it } from '@jest/globals';
import { Subject, switchMap, take } from 'rxjs';
import { SandboxClient, type SandboxBackend, type SandboxInfo, type SandboxSpec } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { isolationForTests } from '../support/isolation.js';
import { useHost } from './host.js';
import { ended, start, startWith, type Ended } from './program.js';

const host = useHost();

async function create(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run('create', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd();
}

describe('sandbox-rx create', () => {
  it('prints the id of a sandbox that stays', async () => {
    const id = await create('--tag', 'a', '--tag', 'b');
    const info = await (await host.client.get(id)).status();
    expect(info).toMatchObject({ id, status: 'running', tags: ['a', 'b'] });
  });

  it('makes it as it is asked to', async () => {
    const options = ['--id', 'mine.1', '--env', 'A=1=2', '--cwd', '/tmp', '--network', 'none'];
    expect(await create(...options)).toBe('mine.1');
    expect(await host.run('exec', 'mine.1', 'sh', '-c', 'echo "$A"; pwd')).toMatchObject({
      stdout: '1=2\n/tmp\n',
    });
    const again = await host.run('create', '--id', 'mine.1');
    expect(again).toMatchObject({ code: 125, stdout: '' });
    expect(again.stderr).toMatch(/there is a sandbox mine\.1 already/);
  });

  it('gives it a main command, and an end', async () => {
    const id = await create('--', 'sh', '-c', 'exit 3');
    const sandbox = await host.client.get(id);
    expect(await sandbox.wait()).toMatchObject({ status: 'failed', returncode: 3 });
    const brief = await host.client.get(await create('--lifetime', '300ms'));
    expect(await brief.wait()).toMatchObject({ status: 'stopped' });
  });

  it('lets its ports be reached, where get shows', async () => {
    const id = await create('--publish', '28080:web', '--publish', '28081');
    const { services = [] } = await (await host.client.get(id)).status();
    expect(services.map(({ port, name }) => [port, name])).toEqual([
      [28_080, 'web'],
      [28_081, undefined],
    ]);
    const { stdout } = await host.run('get', id);
    expect(stdout).toContain(`\nport 28080 (web)\t${services[0]?.url}\n`);
    expect(stdout).toContain(`\nport 28081\t${services[1]?.url}\n`);
  });

  it.each([
    ['web', /It is PORT or PORT:NAME/],
    ['0', /services\[0\]\.port must be an integer from 1 to 65535/],
    ['65536:web', /services\[0\]\.port must be/],
  ])('refuses to publish %s', async (port, said) => {
    expectFailure(await host.run('create', '--publish', port), said);
  });

  it('prints all that is known of it with --json', async () => {
    const { stdout } = await host.run('create', '--json', '--tag', 'a');
    const info = JSON.parse(stdout) as SandboxInfo;
    expect(info).toEqual(await (await host.client.get(info.id)).status());
  });

  it('leaves none behind when it is interrupted', async () => {
    const asked: Subject<void> = new Subject();
    const gate: Subject<void> = new Subject();
    const backend = slowBackend(asked, gate);
    const slow = new Host(backend);
    const child = start('--url', await slow.listen(), 'create');
    asked.subscribe(() => child.kill('SIGINT'));
    child.stderr?.once('data', () => {
      gate.next();
    });
    expect(await ended(child)).toMatchObject({ code: null, signal: 'SIGINT', stdout: '' });
    expect(await new SandboxClient(backend).list()).toEqual([]);
    await slow.close();
  });
});

describe('sandbox-rx ls and get', () => {
  const tag = 'listed';
  let running = '';
  let over = '';

  beforeAll(async () => {
    running = await create('--tag', tag, '--tag', 'two\twords');
    over = await create('--tag', tag, '--', 'sh', '-c', 'exit 3');
    await (await host.client.get(over)).wait();
  });

  async function ids(...args: readonly string[]): Promise<string[]> {
    const { stdout } = await host.run('ls', '-q', '--tag', tag, ...args);
    return stdout.split('\n').filter(Boolean);
  }

  it('lists those that run, all, and those that stand so', async () => {
    expect(await ids()).toEqual([running]);
    expect(await ids('--all')).toEqual([running, over]);
    expect(await ids('--status', 'failed')).toEqual([over]);
    expect(await ids('--tag', 'no such')).toEqual([]);
  });

  it('separates cells by tabs, and nothing else by them', async () => {
    const { stdout } = await host.run('ls', '-a', '--tag', tag);
    expect(stdout.split('\n').map((line) => line.split('\t'))).toEqual([
      [running, 'running', expect.stringMatching(/^\d{4}-\d\d-\d\dT.+Z$/), 'listed,two words'],
      [over, 'failed (3)', expect.anything(), 'listed'],
      [''],
    ]);
  });

  it('prints an array with --json, also of none', async () => {
    const { stdout } = await host.run('ls', '-a', '--tag', tag, '--json');
    expect(JSON.parse(stdout)).toEqual(await host.client.list({ tags: [tag] }));
    expect(await host.run('ls', '--tag', 'no such', '--json')).toMatchObject({ stdout: '[]\n' });
  });

  it('is a table with a header on a terminal', async () => {
    const terminal = host.terminal('ls', '--tag', tag);
    await terminal.until(/ID +STATUS +CREATED +TAGS.+running +\d+[smh] ago +listed,two words/s);
    expect(await terminal.exited).toBe(0);
  });

  it('shows one', async () => {
    const { stdout } = await host.run('get', over);
    expect(stdout).toMatch(
      new RegExp(`^id\t${over}\nstatus\tfailed\ncreated\t.+\ntags\tlisted\nreturncode\t3\n`),
    );
    const json = await host.run('get', '--json', over);
    expect(JSON.parse(json.stdout)).toEqual(await (await host.client.get(over)).status());
  });
});

describe('sandbox-rx stop and delete', () => {
  it('stop ends them and keeps what is known of them', async () => {
    const made = [await create(), await create()];
    const { code, stdout } = await host.run('stop', ...made);
    expect({ code, ids: stdout.trimEnd().split('\n').sort() }).toEqual({
      code: 0,
      ids: [...made].sort(),
    });
    const stopped = await Promise.all(made.map(async (id) => (await host.client.get(id)).status()));
    expect(stopped).toMatchObject([{ status: 'stopped' }, { status: 'stopped' }]);
  });

  it.each(['delete', 'rm'])('%s removes them', async (word) => {
    const id = await create();
    expect(await host.run(word, id)).toMatchObject({ code: 0, stdout: `${id}\n` });
    expect(await host.run('get', id)).toMatchObject({ code: 1 });
  });

  it.each([
    ['stop', 'stopped'],
    ['delete', 'deleted'],
  ])('%s does what it can where one is missing', async (word, status) => {
    const id = await create();
    const { code, stdout, stderr } = await host.run(word, '--json', 'sb-none', id);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'sandbox-rx: there is no sandbox sb-none\n',
    });
    expect(JSON.parse(stdout)).toMatchObject({ id, status });
  });
});

describe('where there is no answer', () => {
  it.each(['get', 'logs', 'stop', 'delete'])('%s ends with 1 for no such sandbox', async (word) => {
    expect(await host.run(word, 'sb-none')).toEqual({
      ...{ code: 1, signal: null, stdout: '' },
      stderr: 'sandbox-rx: there is no sandbox sb-none\n',
    });
  });

  const all = ['create', 'ls', 'get x', 'logs x', 'cp x:y z', 'stop x', 'delete x', 'exec x true'];

  it.each(all)('%s says what to do where there is no server', async (line) => {
    expectFailure(await ended(start(...line.split(' '))), /'sandbox-rx serve'.+--url/);
  });

  let closedUrl = '';
  beforeAll(async () => {
    const closing = new Host(localBackend());
    closedUrl = await closing.listen();
    await closing.close();
  });

  it.each(all)('%s says that the server cannot be reached', async (line) => {
    const [command = '', ...args] = line.split(' ');
    const result = await ended(start(command, '--url', closedUrl, ...args));
    expectFailure(result, /^sandbox-rx: the server cannot be reached: .+ECONNREFUSED[^\n]+\n$/);
  });

  it.each([
    ['a URL without a scheme', ['--url', 'localhost:1', 'ls'], /must begin with https/],
    ['a URL of no server', ['--url', 'http://x', '--backend', 'local', 'ls'], /--backend grpc/],
    ['an unknown backend', ['--backend', 'docker', 'ls'], /Allowed choices are local, grpc/],
    ['an unknown status', ['ls', '--status', 'odd'], /Allowed choices are running/],
    ['a missing sandbox', ['stop'], /missing required argument/],
  ])('refuses %s', async (_what, args, said) => {
    expectFailure(await ended(start(...args)), said);
  });

  it('takes the server from the environment, and --backend local from the command line', async () => {
    const id = await create();
    const env = { CWSANDBOX_BASE_URL: host.url };
    const listed = await ended(startWith(env, 'ls', '-q'));
    expect(listed.stdout.split('\n')).toContain(id);
    expectFailure(await ended(startWith(env, 'ls', '--backend', 'local')), /sandbox-rx serve/);
  });
});

function expectFailure({ code, stdout, stderr }: Ended, said: RegExp): void {
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
  expect(stderr).toMatch(/^(error|sandbox-rx): [^\n]+\n$/);
  expect(stderr).toMatch(said);
}

/** Local sandboxes that are made when the gate opens. */
function slowBackend(asked: Subject<void>, gate: Subject<void>): SandboxBackend {
  const backend = localBackend({ isolation: isolationForTests() });
  const create = backend.create.bind(backend);
  return Object.assign(backend, {
    create: (spec: SandboxSpec) => {
      asked.next();
      return gate.pipe(
        take(1),
        switchMap(() => create(spec)),
      );
    },
  });
}

describe('sandbox-rx with the URL of a WebSocket', () => {
  const overWebSocket = (...args: readonly string[]): Promise<Ended> => {
    const child = start('--url', host.url.replace('http', 'ws'), ...args);
    child.stdin?.end();
    return ended(child);
  };

  it('does what it does over gRPC, and ends when it has done it', async () => {
    const { stdout } = await overWebSocket('create', '--tag', 'ws');
    const id = stdout.trim();
    expect(await overWebSocket('exec', id, 'sh', '-c', 'echo out; echo err >&2; exit 3')).toEqual(
      expect.objectContaining({ code: 3, stdout: 'out\n', stderr: 'err\n' }),
    );
    expect(JSON.parse((await overWebSocket('ls', '--json', '--tag', 'ws')).stdout)).toMatchObject([
      { id },
    ]);
    expect(await overWebSocket('rm', id)).toMatchObject({ code: 0, stderr: '' });
  });

  it('says so where there is none', async () => {
    const child = start('--url', 'ws://127.0.0.1:1', 'ls');
    const { code, stderr } = await ended(child);
    expect(code).toBe(125);
    expect(stderr).toMatch(/ECONNREFUSED/);
  });
});
