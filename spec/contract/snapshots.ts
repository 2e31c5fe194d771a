import type { Sandbox, SandboxClient, ScratchVolume } from '../../lib/index.js';
import { eventually, failureOf, type ContractSuite, type Kit } from './kit.js';

const work = { name: 'work', mountPath: 'work' };

/** Scratch volumes, and the snapshots that are taken of them. The files in them are written by the files of a sandbox. */
export function snapshotsContract({ describe, needs, expect }: ContractSuite): void {
  const snapshots = (title: string, works: (kit: Kit) => Promise<void>): void => {
    needs('snapshots', title, { works, refused: (kit) => kit.open({ volumes: [work] }) });
  };

  describe('volumes', () => {
    snapshots('are directories, empty at first', async (kit) => {
      const sandbox = await kit.open({
        volumes: [work, { name: 'other', mountPath: 'far/below' }],
      });
      expect(await sandbox.files.list('work')).toEqual([]);
      expect(await sandbox.files.list('far/below')).toEqual([]);
      const { stdout } = await sandbox.exec(kit.commands.pwd, { cwd: 'work' });
      expect(stdout.trimEnd().split('/').at(-1)).toEqual('work');
    });

    snapshots('may be anywhere where there is isolation', async (kit) => {
      const opening = kit.open({ volumes: [{ name: 'work', mountPath: '/workspace' }] });
      if (!kit.can('isolation')) {
        expect(await failureOf(opening)).toMatchObject({ capability: 'isolation' });
        return;
      }
      const sandbox = await opening;
      await sandbox.files.write('/workspace/file', 'text');
      const { stdout } = await sandbox.exec(kit.commands.pwd, { cwd: '/workspace' });
      expect(stdout).toEqual('/workspace\n');
    });

    snapshots('do not lie over each other, nor over the home', async (kit) => {
      const wrong: readonly (readonly ScratchVolume[])[] = [
        [work, { name: 'inner', mountPath: 'work/inner' }],
        [{ name: 'inner', mountPath: './work//inner' }, work],
        [work, { name: 'same', mountPath: './work' }],
        [{ name: 'home', mountPath: '.' }],
        [{ name: 'root', mountPath: '/' }],
      ];
      for (const volumes of wrong) {
        const code =
          volumes[0]?.name === 'root' && !kit.can('isolation')
            ? 'ERR_UNSUPPORTED'
            : 'ERR_VALIDATION';
        expect(await failureOf(kit.open({ volumes }))).toMatchObject({ code });
      }
      expect(await kit.client.list()).toEqual([]);
    });
  });

  describe('snapshots', () => {
    snapshots('give a new sandbox what the volume held, wherever it is', async (kit) => {
      const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) & 255);
      const sandbox = await kit.open({ volumes: [work] });
      await sandbox.files.write('work/text', 'zwölf\n');
      await sandbox.files.write('work/dir/below/bytes', bytes);
      await sandbox.files.write('work/empty', '');
      await sandbox.files.write('beside', 'not in it');
      const { id, sandboxId, sizeBytes } = await sandbox.snapshot();
      expect([sandboxId, sizeBytes >= bytes.length]).toEqual([sandbox.id, true]);
      const volume = { name: 'other', mountPath: 'else/where', snapshotId: id };
      const { files } = await kit.open({ volumes: [volume] });
      const names = (await files.list('else/where')).map(({ name, type }) => [name, type]);
      expect(names).toEqual([
        ['dir', 'directory'],
        ['empty', 'file'],
        ['text', 'file'],
      ]);
      expect(await files.readText('else/where/text')).toEqual('zwölf\n');
      const restored = await files.read('else/where/dir/below/bytes');
      expect(restored.length).toEqual(bytes.length);
      expect(restored.every((byte, index) => byte === bytes[index])).toEqual(true);
    });

    snapshots('of an empty volume are empty', async (kit) => {
      const { id: snapshotId } = await (await kit.open({ volumes: [work] })).snapshot();
      const { files } = await kit.open({ volumes: [{ ...work, snapshotId }] });
      expect(await files.list('work')).toEqual([]);
    });

    snapshots('hold what there was when they were taken', async (kit) => {
      const sandbox = await kit.open({ volumes: [work] });
      await sandbox.files.write('work/file', 'old');
      const { id: snapshotId } = await sandbox.snapshot();
      await sandbox.files.write('work/file', 'new');
      await sandbox.files.write('work/later', '');
      const restored = await kit.open({ volumes: [{ ...work, snapshotId }] });
      expect(await contents(restored)).toEqual([['file', 'old']]);
      await restored.files.write('work/file', 'its own');
      expect(await contents(await kit.open({ volumes: [{ ...work, snapshotId }] }))).toEqual([
        ['file', 'old'],
      ]);
    });

    snapshots('outlive their sandbox, and what begins with them outlives them', async (kit) => {
      const sandbox = await kit.open({ volumes: [work] });
      await sandbox.files.write('work/file', 'text');
      const { id: snapshotId } = await sandbox.snapshot();
      await sandbox.delete();
      const restored = await kit.open({ volumes: [{ ...work, snapshotId }] });
      await kit.client.snapshots.delete(snapshotId);
      expect(await contents(restored)).toEqual([['file', 'text']]);
    });

    snapshots('are taken of the volume that is named, or of the only one', async (kit) => {
      const sandbox = await kit.open({ volumes: [work, { name: 'other', mountPath: 'else' }] });
      await sandbox.files.write('else/file', 'of the other');
      const { id: snapshotId } = await sandbox.snapshot({ volume: 'other' });
      expect(await contents(await kit.open({ volumes: [{ ...work, snapshotId }] }))).toEqual([
        ['file', 'of the other'],
      ]);
      const failures = [
        await failureOf(sandbox.snapshot()),
        await failureOf(sandbox.snapshot({ volume: 'absent' })),
        await failureOf((await kit.open()).snapshot()),
      ];
      for (const failure of failures) expect(failure).toMatchObject({ code: 'ERR_VALIDATION' });
      for (const failure of failures.slice(0, 2))
        expect(String(failure).includes('work, other')).toEqual(true);
    });

    needs('snapshots', 'are found by id, and listed by sandbox, oldest first', {
      works: async (kit) => {
        const [a, b] = [await kit.open({ volumes: [work] }), await kit.open({ volumes: [work] })];
        const taken = [await a.snapshot(), await b.snapshot(), await a.snapshot()];
        const ids = taken.map(({ id }) => id);
        expect(
          (await kit.client.snapshots.list()).map(({ id }) => id).filter((id) => ids.includes(id)),
        ).toEqual(ids);
        expect(await kit.client.snapshots.list({ sandboxId: a.id })).toEqual([taken[0], taken[2]]);
        expect(await kit.client.snapshots.get(ids[1] ?? '')).toEqual(taken[1]);
      },
      refused: (kit) => kit.client.snapshots.list(),
    });

    needs('snapshots', 'are deleted, once', {
      works: async (kit) => {
        const { id } = await (await kit.open({ volumes: [work] })).snapshot();
        await kit.client.snapshots.delete(id);
        expect(await kit.client.snapshots.list()).toEqual([]);
        expect(await failureOf(kit.client.snapshots.delete(id))).toMatchObject({
          code: 'ERR_NOT_FOUND',
          snapshotId: id,
        });
      },
      refused: (kit) => kit.client.snapshots.delete('snap-0'),
    });

    needs('snapshots', 'that do not exist are not found', {
      works: async (kit) => {
        for (const id of ['snap-0', '../snap-0', 'x'.repeat(5000), 'ünï']) {
          const notFound = { code: 'ERR_NOT_FOUND', snapshotId: id };
          expect(await failureOf(kit.client.snapshots.get(id))).toMatchObject(notFound);
          const volumes = [{ ...work, snapshotId: id }];
          expect(await failureOf(kit.open({ volumes }))).toMatchObject(notFound);
        }
        expect(await kit.client.list()).toEqual([]);
      },
      refused: (kit) => kit.client.snapshots.get('snap-0'),
    });

    needs('snapshots', 'are taken of sandboxes that run', {
      works: async (kit) => {
        const sandbox = await kit.open({ volumes: [work] });
        await sandbox.stop();
        expect(await failureOf(sandbox.snapshot())).toMatchObject({ code: 'ERR_SANDBOX_OVER' });
        await sandbox.delete();
        expect(await failureOf(sandbox.snapshot())).toMatchObject({
          code: 'ERR_NOT_FOUND',
          sandboxId: sandbox.id,
        });
      },
      refused: async (kit) => (await kit.open()).snapshot(),
    });

    snapshots('are not left behind when their taking is cancelled', async (kit) => {
      const sandbox = await kit.open({ volumes: [work] });
      await sandbox.files.write('work/file', 'x'.repeat(2_000_000));
      for (let turns = 0; turns < 20; turns++) await cancelTaking(sandbox, kit.client);
      const { id } = await sandbox.snapshot();
      const ids = async () => (await kit.client.snapshots.list()).map((info) => info.id).join();
      await eventually('only the last is left', async () => (await ids()) === id);
    });
  });
}

/** Takes a snapshot, and thinks better of it. */
async function cancelTaking(sandbox: Sandbox, client: SandboxClient): Promise<void> {
  const taking = sandbox.snapshot();
  await Promise.resolve();
  // A backend that takes it at once has nothing to undo.
  if (!taking.cancel()) await client.snapshots.delete((await taking).id);
}

/** The files of the volume, with their text. */
async function contents({ files }: Sandbox): Promise<readonly (readonly [string, string])[]> {
  const names = (await files.list('work')).map(({ name }) => name);
  return Promise.all(
    names.map(async (name) => [name, await files.readText(`work/${name}`)] as const),
  );
}
