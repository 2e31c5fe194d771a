import { Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { SandboxClient, SandboxValidationError, UnsupportedError } from 'sandbox-rx';
import { Host, type HostOptions, type Logger } from 'sandbox-rx/host';
import type { ConnectedBackend, TokenScope } from 'sandbox-rx/node';
import { eventually, failureOf } from '../contract/kit.js';
import { filesBelow } from '../support/repository.js';
import { metricsUntil } from '../support/metrics.js';
import { Remote, refusalOf, type Refusal } from '../support/remote.js';
import { memory } from './harness.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const tokens = [
  { name: 'ada', token: 'token-of-ada', admin: true },
  { name: 'grace', token: 'token-of-grace' },
];

/** A host with sandboxes `own` and `other`, each with a snapshot, and how ada reaches it. */
async function guarded(options: HostOptions = {}) {
  const url = await remote.host(memory(), { tokens, ...options });
  const ada = remote.backend(url, { token: 'token-of-ada' });
  const client = new SandboxClient(ada);
  const snapshots: Record<string, string> = {};
  for (const id of ['own', 'other']) {
    const sandbox = await client.create({ id, volumes: [{ name: 'v', mountPath: '/v' }] });
    await sandbox.files.write('/file', id);
    snapshots[id] = (await sandbox.snapshot()).id;
  }
  const made = (scope: TokenScope = {}) => firstValueFrom(ada.tokens.create(scope));
  const bearer = async (scope: TokenScope = {}): Promise<ConnectedBackend> =>
    remote.backend(url, { token: (await made(scope)).token });
  return { url, ada, client, snapshots, made, bearer };
}

const wrong = (value: unknown): never => value as never;

const scopes = {
  short: {},
  readOnly: { readOnly: true },
  bound: { sandboxId: 'own' },
  both: { readOnly: true, sandboxId: 'own' },
} as const;
type ScopeName = keyof typeof scopes;

/** Who may make each call at all, about `own`; those who are bound to it, never about another. */
const allowed: Readonly<Record<string, readonly ScopeName[]>> = {
  ...callsFor(
    ['short'],
    [
      'SandboxService/CreateSandbox',
      'SandboxService/CreateSandboxFromTemplate',
      'SandboxService/PurgeSandboxes',
    ],
  ),
  ...callsFor(
    ['short', 'readOnly', 'bound', 'both'],
    [
      'SandboxService/GetSandbox',
      'SandboxService/ListSandboxes',
      'SandboxService/StreamLogs',
      'SandboxService/ReadFile',
      'SandboxService/GetFileSystemSnapshot',
      'SandboxService/ListFileSystemSnapshots',
      'FileService/ListFiles',
      'RunService/AttachProcess',
      'WatchService/ListProcesses',
      'WatchService/WatchProcesses',
      'WatchService/WatchSandboxes',
    ],
  ),
  ...callsFor(
    ['short', 'bound'],
    [
      'SandboxService/Exec',
      'SandboxService/StreamExec',
      'SandboxService/WriteFile',
      'SandboxService/CreateFileSystemSnapshot',
      'SandboxService/DeleteFileSystemSnapshot',
      'SandboxService/DeleteSandbox',
      'ProcessService/EndProcess',
      'FileService/RemoveFile',
      'RunService/StartProcess',
      'RunService/WriteStdin',
      'RunService/SignalProcess',
    ],
  ),
  ...callsFor(
    ['short', 'readOnly'],
    [
      'SandboxTemplateService/GetSandboxTemplate',
      'SandboxTemplateService/ListSandboxTemplates',
      'DiscoveryService/ListAvailableRunners',
      'DiscoveryService/GetAvailableRunner',
    ],
  ),
  // To those who are let in, it is said that they are no admins.
  ...callsFor(
    ['short'],
    [
      'SandboxTemplateService/CreateSandboxTemplate',
      'SandboxTemplateService/UpdateSandboxTemplate',
      'SandboxTemplateService/DeleteSandboxTemplate',
    ],
  ),
  ...callsFor([], ['TokenService/CreateToken']),
};

function callsFor(names: readonly ScopeName[], calls: readonly string[]) {
  return Object.fromEntries(calls.map((call) => [call, names]));
}

interface GeneratedMethod {
  readonly name: string;
  readonly requestType: {
    fromPartial(fields: object): never;
    encode(message: never): { finish(): Uint8Array };
  };
}

/** All methods that there are in proto/, whoever adds them. */
async function generatedMethods() {
  const files = filesBelow('lib/wire/generated').filter((path) => path.endsWith('.ts'));
  const modules = await Promise.all(
    files.map((path) => import(`../../${path.replace(/ts$/, 'js')}`) as Promise<object>),
  );
  return modules.flatMap((module) =>
    Object.entries(module)
      .filter(([name]) => name.endsWith('ServiceDefinition'))
      .flatMap(([, definition]) => {
        const { name, fullName, methods } = definition as {
          readonly name: string;
          readonly fullName: string;
          readonly methods: Readonly<Record<string, GeneratedMethod>>;
        };
        return Object.values(methods).map((method) => ({
          call: `${name}/${method.name}`,
          path: `/${fullName}/${method.name}`,
          method,
        }));
      }),
  );
}

/** A request about this sandbox, with whatever fields it names it by. */
function requestAbout({ requestType }: GeneratedMethod, sandboxId: string, snapshotId: string) {
  const init = { sandboxId, command: ['absent'] };
  const fields = {
    ...{ sandboxId, path: '/file', filepath: '/file', fileSystemSnapshotId: snapshotId },
    ...{ command: ['absent'], init, runId: 'absent' },
  };
  const messages = [
    { $case: 'init', value: init },
    { $case: 'open', value: { sandboxId, runId: 'absent', observerId: 'some', writerId: 'some' } },
  ];
  // A stream begins with one of these, and its type keeps that one.
  const [request = new Uint8Array()] = messages
    .map((message) => requestType.encode(requestType.fromPartial({ ...fields, message })).finish())
    .toSorted((one, other) => other.length - one.length);
  return request;
}

/** How any kind of call ends, that was made with a token. */
function ending(url: string, token: string, path: string, request: Uint8Array) {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = remote.bare(url).makeBidiStreamRequest(path, Buffer.from, Buffer.from, metadata);
  const end: Promise<Refusal & { readonly message: string }> = new Promise((resolve) => {
    call.on('error', () => undefined);
    call.on('status', ({ code, details: message, metadata: trailers }) => {
      resolve({ ...refusalOf({ code, message, messages: [], metadata: trailers }), message });
    });
  });
  // It was let in; some would go on for ever.
  call.on('data', () => {
    call.cancel();
  });
  call.write(request);
  call.end();
  return end;
}

const refused = { code: 7, reason: 'SANDBOXRX_PERMISSION', domain: 'cwsandbox.com' };
const outOfScope = expect.stringContaining('is not for this token, which may');

describe('every method of a host', () => {
  it('is known to this test, so that none is served that nobody has thought of', async () => {
    const { url } = await guarded();
    const methods = await generatedMethods();
    // A method that is there cannot read this; of one that is not, grpc-js says so without a reason.
    const answers = await Promise.all(
      methods.map(({ path }) => ending(url, 'token-of-ada', path, Uint8Array.of(255))),
    );
    const served = methods.filter((_, index) => answers[index]?.reason !== undefined);
    const calls = served.map(({ call }) => call);
    expect(calls.length).toBeGreaterThan(20);
    expect(calls.toSorted()).toEqual(Object.keys(allowed).toSorted());
  });

  it.each(Object.keys(allowed))(
    '%s is for those tokens alone that were made for it',
    async (call) => {
      const { url, made, snapshots } = await guarded();
      const found = (await generatedMethods()).find((one) => one.call === call);
      if (found === undefined) throw new Error('there is no such call');
      const { path, method } = found;
      for (const name of ['both', 'bound', 'readOnly', 'short'] as const) {
        const { token } = await made(scopes[name]);
        const isBound = 'sandboxId' in scopes[name];
        for (const sandboxId of ['other', 'own']) {
          const request = requestAbout(method, sandboxId, snapshots[sandboxId] ?? '');
          const end = await ending(url, token, path, request);
          const isAllowed = allowed[call]?.includes(name) === true;
          const isRefused = !isAllowed || (isBound && sandboxId === 'other' && isNamedIn(call));
          const said = {
            name,
            sandboxId,
            isRefused: end.message.includes('is not for this token'),
          };
          expect(said).toEqual({ name, sandboxId, isRefused });
          if (isRefused) expect(end).toMatchObject({ ...refused, message: outOfScope });
        }
      }
    },
  );

  /** The others tell bound callers of their own sandbox alone. */
  const isNamedIn = (call: string) =>
    !/(List|Watch)Sandboxes|(Get|List|Delete)FileSystemSnapshot/.test(call);
});

describe('a token for one sandbox', () => {
  it('is enough for a page that shows it: list, status, logs, files, runs, snapshots', async () => {
    const { bearer, snapshots } = await guarded();
    const backend = await bearer({ sandboxId: 'own' });
    const client = new SandboxClient(backend);
    expect((await client.list()).map(({ id }) => id)).toEqual(['own']);
    expect((await firstValueFrom(backend.watch({}))).id).toBe('own');
    const lists = firstValueFrom(client.sandboxes$);
    expect((await lists).map(({ id }) => id)).toEqual(['own']);
    const sandbox = await client.get('own');
    expect((await sandbox.status()).status).toBe('running');
    expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
    expect(await sandbox.files.readText('/file')).toBe('own');
    const { id } = await sandbox.snapshot();
    expect((await client.snapshots.list()).map((one) => one.id)).toEqual([snapshots['own'], id]);
    await client.snapshots.delete(id);
    await sandbox.delete();
  });

  it('finds nothing of another, though it knows what it is called', async () => {
    const { client: ofAda, bearer, snapshots } = await guarded();
    const client = new SandboxClient(await bearer({ sandboxId: 'own' }));
    const denied = { code: 'ERR_PERMISSION', remote: { grpcCode: 7 } };
    expect(await failureOf(client.get('other'))).toMatchObject(denied);
    expect(await failureOf(client.get('absent'))).toMatchObject(denied);
    expect(await failureOf(client.create())).toMatchObject(denied);
    const { other = '' } = snapshots;
    const absent = { code: 'ERR_NOT_FOUND', message: `there is no snapshot ${other}` };
    expect(await failureOf(client.snapshots.get(other))).toMatchObject(absent);
    expect(await failureOf(client.snapshots.delete(other))).toMatchObject(absent);
    expect(await client.snapshots.list({ sandboxId: 'other' })).toEqual([]);
    expect((await ofAda.snapshots.get(other)).sandboxId).toBe('other');
  });

  it('cannot have its stream go on in another', async () => {
    const { url, made } = await guarded();
    const { token } = await made({ sandboxId: 'own' });
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    const bare = remote.bare(url);
    const sent = (message: object) => bare.encoded('streamExec', { message });
    const init = (sandboxId: string) =>
      sent({ $case: 'init', value: { sandboxId, command: ['cat'] } });
    const stdin = sent({ $case: 'stdin', value: Buffer.from('x') });
    for (const requests of [[init('own'), init('other')], [stdin, init('own')], [init('other')]]) {
      expect(refusalOf(await bare.streamed('streamExec', requests, metadata))).toMatchObject(
        refused,
      );
    }
    const whole = await bare.streamed('streamExec', [init('own'), stdin], metadata);
    expect(whole).toMatchObject({ code: 0 });
  });
});

describe('a token to look only', () => {
  it('looks at everything and changes nothing', async () => {
    const { client: ofAda, bearer } = await guarded();
    const client = new SandboxClient(await bearer({ readOnly: true }));
    expect(await client.list()).toHaveLength(2);
    const sandbox = await client.get('other');
    expect(await sandbox.files.readText('/file')).toBe('other');
    const denied = { code: 'ERR_PERMISSION', message: expect.stringContaining('look, and change') };
    expect(await failureOf(sandbox.exec(['echoBoth']))).toMatchObject(denied);
    expect(await failureOf(sandbox.files.write('/file', 'x'))).toMatchObject(denied);
    expect(await failureOf(sandbox.files.remove('/file'))).toMatchObject(denied);
    expect(await failureOf(sandbox.delete())).toMatchObject(denied);
    expect(await failureOf(client.create())).toMatchObject(denied);
    expect(await (await ofAda.get('other')).files.readText('/file')).toBe('other');
  });
});

describe('a token that a caller has made', () => {
  it('makes no others, whatever it is for', async () => {
    const { bearer } = await guarded();
    for (const scope of Object.values(scopes)) {
      const { tokens: made } = await bearer(scope);
      for (const wanted of Object.values(scopes)) {
        expect(await failureOf(firstValueFrom(made.create(wanted)))).toMatchObject({
          ...{ code: 'ERR_PERMISSION', message: expect.stringContaining('CreateToken is not for') },
        });
      }
    }
  });

  it('is never that of an admin', async () => {
    const { client, bearer } = await guarded();
    const short = await bearer();
    const denied = { code: 'ERR_PERMISSION', message: expect.stringContaining('admin') };
    expect(await failureOf(firstValueFrom(short.templates.create('a', {})))).toMatchObject(denied);
    await new SandboxClient(short).create({ id: 'third' });
    expect((await client.list()).map(({ id }) => id)).toContain('third');
  });

  it('counts as its issuer, so that making more of them is no way around a limit', async () => {
    const { bearer, client } = await guarded({ limits: { maxSandboxesPerToken: 3 } });
    await new SandboxClient(await bearer()).create();
    const full = { code: 'ERR_RESOURCE_EXHAUSTED' };
    expect(await failureOf(new SandboxClient(await bearer()).create())).toMatchObject(full);
    expect(await failureOf(client.create())).toMatchObject(full);
  });

  it('is refused when its time is over; what began before goes on to its end', async () => {
    const { client: ofAda, bearer } = await guarded();
    const sandbox = await new SandboxClient(await bearer({ ttlMs: 1500 })).get('own');
    const cat = sandbox.exec(['cat'], { stdin: true });
    cat.stdin?.write('before ');
    await firstValueFrom(cat.stdout$);
    let last: unknown;
    await eventually('it has expired', async () => {
      last = await sandbox.status().then(
        () => undefined,
        (error: unknown) => error,
      );
      return last !== undefined;
    });
    expect(last).toMatchObject({
      code: 'ERR_PERMISSION',
      remote: { grpcCode: 16, reason: 'SANDBOXRX_TOKEN_EXPIRED' },
    });
    expect(await failureOf(sandbox.exec(['echoBoth']))).toMatchObject({ code: 'ERR_PERMISSION' });
    cat.stdin?.write('after');
    await cat.stdin?.close();
    expect((await cat).stdout).toBe('before after');
    expect((await (await ofAda.get('own')).status()).status).toBe('running');
  });

  it('is asked for with what can be: a sandbox that is there, a time that is allowed', async () => {
    const { ada } = await guarded({ scopedTokens: { maxTtlMs: 60_000 } });
    const ofNothing = firstValueFrom(ada.tokens.create({ sandboxId: 'absent' }));
    expect(await failureOf(ofNothing)).toMatchObject({
      code: 'ERR_NOT_FOUND',
      sandboxId: 'absent',
    });
    const tooLong = firstValueFrom(ada.tokens.create({ ttlMs: 60_001 }));
    expect(await failureOf(tooLong)).toMatchObject({
      ...{ code: 'ERR_VALIDATION', remote: { violations: [{ field: 'ttl_ms' }] } },
    });
    const before = Date.now();
    const { expiresAtMs } = await firstValueFrom(ada.tokens.create());
    expect(expiresAtMs).toBeGreaterThanOrEqual(before + 60_000);
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + 60_000);
    for (const scope of [
      wrong(null),
      { readOnly: wrong('yes') },
      { ttlMs: 0 },
      { ttlMs: 1.5 },
      { sandboxId: '' },
      { sandboxId: wrong(undefined) },
    ]) {
      expect(() => ada.tokens.create(scope)).toThrow(SandboxValidationError);
    }
  });

  it('is good for no longer than usual where the host was told only that it is told nothing', async () => {
    const { ada } = await guarded({
      scopedTokens: { ttlMs: wrong(undefined), maxTtlMs: wrong(undefined) },
    });
    const tooLong = firstValueFrom(ada.tokens.create({ ttlMs: 86_400_001 }));
    expect(await failureOf(tooLong)).toMatchObject({ code: 'ERR_VALIDATION' });
    const { expiresAtMs } = await firstValueFrom(ada.tokens.create());
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + 900_000);
  });

  it('is another one for each subscription', async () => {
    const { ada } = await guarded();
    const token$ = ada.tokens.create();
    const [first, second] = [await firstValueFrom(token$), await firstValueFrom(token$)];
    expect(first.name).toMatch(/^ada\/\w+$/);
    expect(second.name).not.toBe(first.name);
    expect(second.token).not.toBe(first.token);
  });

  it('is not to be had where there are no tokens, or from a server that knows none', async () => {
    for (const url of [await remote.host(memory()), await remote.service({})]) {
      const failure = await failureOf(firstValueFrom(remote.backend(url).tokens.create()));
      expect(failure).toBeInstanceOf(UnsupportedError);
      expect(failure).toMatchObject({ capability: 'tokens' });
    }
  });
});

describe('after a restart', () => {
  const key = new Uint8Array(32).fill(7);
  const first = { ...{ tokens, scopedTokens: { key } } };

  it.each([
    ['with the same key and tokens, it is good', first, undefined],
    ['with another key, it is not', { ...first, scopedTokens: {} }, 16],
    ['without its issuer, it is not', { ...first, tokens: tokens.slice(1) }, 16],
    [
      'with another token of its issuer, it is not',
      { ...first, tokens: [{ name: 'ada', token: 'changed' }] },
      16,
    ],
  ])('%s', async (_, second, grpcCode) => {
    const { made } = await guarded(first);
    const { token } = await made();
    const backend = remote.backend(await remote.host(memory(), second), { token });
    const listed = new SandboxClient(backend).list();
    if (grpcCode === undefined) expect(await listed).toEqual([]);
    else expect(await failureOf(listed)).toMatchObject({ remote: { grpcCode } });
  });

  it.each([
    ['a key that can be guessed', { key: new Uint8Array(31) }],
    ['a key that is text', { key: 'secret-text-secret-text-secret-text' as never }],
    ['no time at all', { ttlMs: 0 }],
    ['a time that no timer takes', { maxTtlMs: 2 ** 31 }],
  ])('%s is refused', (_, scopedTokens) => {
    expect(() => new Host(memory(), { tokens, scopedTokens })).toThrow(SandboxValidationError);
    expect(() => new Host(memory(), { tokens, scopedTokens })).not.toThrow(/secret/);
  });
});

describe('who looks after a host', () => {
  it('is told who had a token made, for what, and what its bearer was refused', async () => {
    const told: Record<string, unknown>[] = [];
    const add = (fields: object, message: string) => void told.push({ message, ...fields });
    const logger: Logger = { info: add, warn: add, error: add };
    const { made, url } = await guarded({ logger });
    const { token, name, expiresAtMs } = await made({ readOnly: true, sandboxId: 'own' });
    const client = remote.client(url, { token });
    await failureOf(client.get('other'));
    await failureOf(client.create());
    const of = (message: string) => told.filter((entry) => entry['message'] === message);
    expect(of('token made')).toEqual([
      {
        ...{ message: 'token made', token: 'ada', name, expiresAtMs },
        ...{ readOnly: true, sandboxId: 'own' },
      },
    ]);
    const code = 'PERMISSION_DENIED';
    expect(of('call failed')).toMatchObject([
      { token: name, code, method: expect.stringContaining('GetSandbox') },
      { token: name, code, method: expect.stringContaining('CreateSandbox') },
    ]);
    expect(JSON.stringify(told)).not.toContain(token);
    expect(JSON.stringify(told)).not.toContain('srx1.');
  });

  it('has one metric for all that an issuer has made', async () => {
    const host = new Host(memory(), { tokens, metricsPort: 0 });
    const url = await remote.add(host, () => host.close()).listen();
    const grace = remote.backend(url, { token: 'token-of-grace' });
    for (let count = 0; count < 3; count++) {
      const { token } = await firstValueFrom(grace.tokens.create({ readOnly: true }));
      await remote.client(url, { token }).list();
    }
    await metricsUntil(host.metricsUrl ?? '', {
      'sandboxrx_token_calls_total{token="grace",code="OK"}': 3,
      'sandboxrx_token_calls_total{token="grace/*",code="OK"}': 3,
    });
  });
});
