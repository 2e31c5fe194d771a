import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandboxClient, type Sandbox, type SandboxSpec } from 'sandbox-rx';
import { localBackend, type LocalBackendOptions } from 'sandbox-rx/node';
import { eventually, failureOf } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { ownChildren, processesWith } from './host.js';

const work = { name: 'work', mountPath: 'work' };

let directory: string;
let snapshotDirectory: string;
let sandboxes: Sandbox[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'local-snapshots-'));
  snapshotDirectory = join(directory, 'far', 'snapshots');
  sandboxes = [];
});

afterEach(async () => {
  for (const sandbox of sandboxes) await sandbox.delete();
  rmSync(directory, { recursive: true });
});

function clientOf(options: LocalBackendOptions): SandboxClient {
  return new SandboxClient(localBackend({ snapshotDirectory, ...options }));
}

/** A sandbox that the test need not delete. */
async function open(
  client: SandboxClient,
  spec: SandboxSpec = { volumes: [work] },
): Promise<Sandbox> {
  const sandbox = await client.create(spec);
  sandboxes.push(sandbox);
  return sandbox;
}

async function sh(sandbox: Sandbox, script: string): Promise<string> {
  const { stdout, stderr } = await sandbox.exec(['sh', '-c', script], { encoding: 'latin1' });
  return stdout + stderr;
}

function kept(): string[] {
  return existsSync(snapshotDirectory) ? readdirSync(snapshotDirectory).sort() : [];
}

/** Of every kind of file one, and of every name. */
const makeFiles = String.raw`
cd work
umask 0
echo text >file; ln file hard; ln -s /etc/passwd link; ln -s absent dangling; mkfifo fifo
mkdir -p dir/empty; chmod 1777 dir; chmod 4711 file; mkdir locked; echo in >locked/in; chmod 500 locked
head -c 100000 /dev/urandom >bytes; : >empty
truncate -s 200M sparse; printf end >>sparse
: >"$(printf 'line\nbreak')"; : >"$(printf '\377\376')"; : >-rf; : >'*'; : >"$(printf '%0200d' 7)"
touch -h -d '2001-02-03 04:05:06.789012345' file link dir locked; chmod 750 .
`;

/** All that one can see of them. */
const showFiles = String.raw`cd work
find . -printf '%P|%y|%m|%n|%l|%T@\n' | sort
find . -type f -exec cksum {} + | sort; du -k sparse | cut -f1`;

function snapshots(isolation: 'bubblewrap' | 'none'): void {
  it('hold files of every kind, with their names, modes and times', async () => {
    const client = clientOf({ isolation });
    const sandbox = await open(client);
    expect(await sh(sandbox, makeFiles)).toBe('');
    const { id: snapshotId } = await sandbox.snapshot();
    const restored = await open(client, { volumes: [{ ...work, snapshotId }] });
    expect(await sh(restored, showFiles)).toBe(await sh(sandbox, showFiles));
    expect(await sh(restored, 'readlink work/link; du -k work/sparse | cut -f1')).toMatch(
      /^\/etc\/passwd\n\d{1,3}\n$/,
    );
  });

  it('are there for a backend that is made later', async () => {
    const sandbox = await open(clientOf({ isolation }));
    await sandbox.files.write('work/file', 'text');
    const taken = await sandbox.snapshot();
    const later = clientOf({ isolation });
    expect(await later.snapshots.list()).toEqual([taken]);
    expect(await later.snapshots.get(taken.id)).toEqual(taken);
    const restored = await open(later, { volumes: [{ ...work, snapshotId: taken.id }] });
    expect(await restored.files.readText('work/file')).toBe('text');
  });

  it('can be read by this user alone', async () => {
    await (await open(clientOf({ isolation }))).snapshot();
    expect(statSync(snapshotDirectory).mode & 0o777).toBe(0o700);
    expect(kept().map((file) => statSync(join(snapshotDirectory, file)).mode & 0o777)).toEqual([
      0o600,
    ]);
  });

  it('are taken while commands write', async () => {
    const client = clientOf({ isolation });
    const sandbox = await open(client);
    const script =
      'cd work; n=0; while :; do echo more >>log; n=$((n + 1)); echo $n >f$((n % 20)); rm f$(((n + 9) % 20)); done';
    const writing = sandbox.exec(['sh', '-c', script]);
    await eventually('it writes', async () => (await sandbox.files.list('work')).length > 5);
    for (let turn = 0; turn < 5; turn++) {
      const { id: snapshotId } = await sandbox.snapshot();
      const restored = await open(client, { volumes: [{ ...work, snapshotId }] });
      expect(await restored.files.readText('work/log')).toMatch(/^(more\n)+$/);
    }
    writing.cancel();
    await writing.closed;
  });

  it('leave nothing when their taking is cancelled, nor a process', async () => {
    const sandbox = await open(clientOf({ isolation }));
    await sh(sandbox, 'head -c 100000000 /dev/zero >work/big');
    const children = ownChildren().length;
    const taking = sandbox.snapshot();
    await eventually('it is being taken', () => kept().some((file) => sizeOf(file) > 0));
    expect(taking.cancel()).toBe(true);
    await eventually(
      'nothing is left',
      () => kept().length === 0 && ownChildren().length === children,
    );
  });

  it('are not taken where the sandbox ends meanwhile', async () => {
    const client = clientOf({ isolation });
    const sandbox = await client.create({ volumes: [work] });
    await sh(sandbox, 'head -c 100000000 /dev/zero >work/big');
    const failing = failureOf(sandbox.snapshot());
    await eventually('it is being taken', () => kept().some((file) => sizeOf(file) > 0));
    await sandbox.delete();
    expect(await failing).toMatchObject({ code: 'ERR_SANDBOX_OVER', sandboxId: sandbox.id });
    expect(kept()).toEqual([]);
  });

  it('are not restored where that is cancelled, and their sandbox is gone', async () => {
    const client = clientOf({ isolation });
    const sandbox = await open(client);
    await sh(sandbox, 'head -c 100000000 /dev/zero >work/big');
    const { id: snapshotId } = await sandbox.snapshot();
    const children = ownChildren().length;
    const id = `cancelled-${snapshotId}`;
    const place = { name: 'other', mountPath: snapshotId };
    const creating = client.create({ id, volumes: [{ ...place, snapshotId }] });
    await eventually(
      'it is being restored',
      () => processesWith(`${snapshotId}\0--extract`).length > 0,
    );
    expect(creating.cancel()).toBe(true);
    await eventually('nothing is left', () => ownChildren().length === children);
    await open(client, { id, volumes: [{ ...place, snapshotId }] });
  });

  it('that are damaged are not restored, and say so', async () => {
    const client = clientOf({ isolation });
    const sandbox = await open(client);
    await sandbox.files.write('work/file', 'x'.repeat(100_000));
    const { id: snapshotId } = await sandbox.snapshot();
    const children = ownChildren().length;
    writeFileSync(join(snapshotDirectory, kept()[0] ?? ''), 'x'.repeat(5000));
    expect(await failureOf(client.create({ volumes: [{ ...work, snapshotId }] }))).toMatchObject({
      ...{ code: 'ERR_FILE', reason: 'failed', path: 'work', snapshotId },
      message: expect.stringContaining('does not look like a tar archive'),
    });
    expect(ownChildren()).toHaveLength(children);
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
  });

  it('need a directory, and say which option gives it', async () => {
    const client = new SandboxClient(localBackend({ isolation }));
    expect(client.backend.capabilities.snapshots).toBe(false);
    expect(await failureOf(client.create({ volumes: [work] }))).toMatchObject({
      ...{ code: 'ERR_UNSUPPORTED', capability: 'snapshots' },
      message: expect.stringContaining('snapshotDirectory'),
    });
  });
}

function sizeOf(file: string): number {
  return statSync(join(snapshotDirectory, file), { throwIfNoEntry: false })?.size ?? 0;
}

describe('snapshots without isolation', () => {
  snapshots('none');

  it('are of volumes whose size cannot be held, and that are in the home', async () => {
    const client = clientOf({ isolation: 'none' });
    for (const other of [{ sizeBytes: 4096 }, { mountPath: '/workspace' }]) {
      const error = await failureOf(client.create({ volumes: [{ ...work, ...other }] }));
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', capability: 'isolation' });
    }
  });
});

describeWithBubblewrap('snapshots with bubblewrap', () => {
  snapshots('bubblewrap');

  it('are of volumes that hold what they were made for', async () => {
    const client = clientOf({});
    const sandbox = await open(client, { volumes: [{ ...work, sizeBytes: 8_388_608 }] });
    expect(await sh(sandbox, 'head -c 4000000 /dev/zero >work/file; wc -c <work/file')).toBe(
      '4000000\n',
    );
    const { id: snapshotId } = await sandbox.snapshot();
    expect(await sh(sandbox, 'head -c 9000000 /dev/zero >work/file')).toContain('No space left');
    const children = ownChildren().length;
    const volumes = [{ ...work, sizeBytes: 1_048_576, snapshotId }];
    expect(await failureOf(client.create({ volumes }))).toMatchObject({
      ...{ reason: 'no_space', message: expect.stringContaining('no space') },
      path: 'work',
      snapshotId,
    });
    expect(ownChildren()).toHaveLength(children);
    await open(client, { volumes: [{ ...work, sizeBytes: 5_242_880, snapshotId }] });
  });

  it('are not taken where a file cannot be read', async () => {
    const sandbox = await open(clientOf({}));
    await sh(sandbox, 'echo secret >work/secret; chmod 000 work/secret');
    expect(await failureOf(sandbox.snapshot())).toMatchObject({
      ...{ code: 'ERR_FILE', reason: 'permission_denied', path: 'work', sandboxId: sandbox.id },
      message: expect.stringContaining('./secret'),
    });
    await eventually('nothing is left', () => kept().length === 0);
  });

  it('do nothing to the host, whatever is in them', async () => {
    const client = clientOf({});
    const target = join(directory, 'target');
    mkdirSync(join(directory, 'made'));
    writeFileSync(join(directory, 'evil'), 'evil');
    mkdirSync(snapshotDirectory, { recursive: true });
    const rename = `--transform=s,evil,../../../..${target},`;
    const file = join(snapshotDirectory, 'snap-0.1.nobody.tar');
    spawnSync('tar', ['-P', '-C', directory, rename, '-cf', file, 'evil']);
    spawnSync('tar', ['-P', '-C', directory, `--transform=s,evil,${target},`, '-rf', file, 'evil']);
    expect(
      spawnSync('tar', ['-tPf', file], { encoding: 'utf8' }).stdout.split(target),
    ).toHaveLength(3);
    const creating = client.create({ volumes: [{ ...work, snapshotId: 'snap-0' }] });
    expect(await failureOf(creating)).toMatchObject({ code: 'ERR_FILE' });
    expect(readdirSync(directory).sort()).toEqual(['evil', 'far', 'made']);
  });

  it.each([
    ...[
      '/usr',
      '/usr/local/x',
      '/etc/x',
      '/bin',
      '/lib/x',
      '/opt/x',
      '/proc',
      '/proc/x',
      '/dev',
      '/dev/shm',
      '/sys',
    ],
    ...[
      '/',
      '/root',
      '/tmp',
      '/var',
      '/run',
      '/run/systemd/x',
      '/var/tmp/x',
      '/seen',
      '/seen/x',
      '/mnt',
    ],
  ])('are of volumes that hide nothing: not at %s', async (mountPath) => {
    const mounts = ['/seen', '/mnt/host'].map((target) => ({ source: directory, target }));
    const client = clientOf({ mounts });
    expect(await failureOf(client.create({ volumes: [{ ...work, mountPath }] }))).toMatchObject({
      ...{ code: 'ERR_VALIDATION', message: expect.stringContaining(mountPath) },
    });
  });

  it('are of volumes that may be anywhere else', async () => {
    const paths = [
      '/tmp/x',
      '/root/x',
      'deep/er',
      '/var/x',
      '/run/x',
      '/home/me',
      '/workspace',
      '/mnt/a b',
    ];
    const volumes = paths.map((mountPath, index) => ({ name: `v${index}`, mountPath }));
    const sandbox = await open(clientOf({}), { volumes });
    for (const path of paths) await sandbox.files.write(`${path}/file`, path);
    for (const path of paths) expect(await sandbox.files.readText(`${path}/file`)).toBe(path);
  });
});

describe('a directory of snapshots', () => {
  it('that cannot be made is an error, until it can', async () => {
    const client = clientOf({ isolation: 'none' });
    writeFileSync(join(directory, 'far'), '');
    expect(await failureOf(client.snapshots.list())).toMatchObject({
      ...{ code: 'ERR_BACKEND_UNAVAILABLE', message: expect.stringContaining(snapshotDirectory) },
    });
    rmSync(join(directory, 'far'));
    expect(await client.snapshots.list()).toEqual([]);
  });

  it('is cleared of what nobody writes any more, and of nothing else', async () => {
    const sandbox = await open(clientOf({ isolation: 'none' }));
    await sh(sandbox, 'head -c 100000000 /dev/zero >work/big');
    const taking = sandbox.snapshot();
    await eventually('it is being taken', () => kept().some((file) => sizeOf(file) > 0));
    const others = ['notes.txt', 'snap-1.tar', 'snap-2.9-1.part'];
    for (const file of [...others, 'snap-3.9-1.part'])
      writeFileSync(join(snapshotDirectory, file), '');
    const twoDaysAgo = Date.now() / 1000 - 172_800;
    utimesSync(join(snapshotDirectory, 'snap-3.9-1.part'), twoDaysAgo, twoDaysAgo);
    expect(await clientOf({ isolation: 'none' }).snapshots.list()).toEqual([]);
    const { id } = await taking;
    expect(kept().filter((file) => !file.startsWith(id))).toEqual(others);
  });
});
