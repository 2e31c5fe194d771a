import { concat, from, lastValueFrom, of, throwError, toArray } from 'rxjs';
import { failureOf, type ContractSuite, type Kit } from './kit.js';
import type { SandboxFileError, SandboxFiles } from '../../lib/index.js';

/** Files in a sandbox. */
export function filesContract({ describe, needs, expect }: ContractSuite): void {
  const files = (title: string, works: (files: SandboxFiles, kit: Kit) => Promise<void>): void => {
    needs('files', title, {
      works: async (kit) => {
        await works((await kit.open()).files, kit);
      },
      refused: async (kit) => (await kit.open()).files.list(),
    });
  };

  describe('files', () => {
    files('are written with the directories above them, and read', async (files) => {
      await files.write('a/b/text', 'zwölf\n');
      expect(await files.readText('a/b/text')).toEqual('zwölf\n');
      await files.write('a/b/text', 'replaced');
      expect(await files.readText('a/b/text')).toEqual('replaced');
    });

    files('are not written where their source fails', async (files) => {
      const broken = new Error('broken');
      const source = concat(
        of('part'),
        throwError(() => broken),
      );
      expect((await failureOf(files.write('broken', source))) === broken).toEqual(true);
    });

    files('hold any bytes, from any source', async (files, kit) => {
      const piece = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) & 255);
      await files.write('bytes', from([piece, piece, piece]));
      const pieces = await lastValueFrom(files.read$('bytes').pipe(kit.untilOver(), toArray()));
      expect(pieces.reduce((total, { length }) => total + length, 0)).toEqual(300_000);
      const whole = await files.read('bytes');
      expect(whole.every((byte, index) => byte === piece[index % 100_000])).toEqual(true);
    });

    files('may be empty', async (files) => {
      await files.write('empty', '');
      expect((await files.read('empty')).length).toEqual(0);
    });

    files('are listed by name', async (files) => {
      await files.write('dir/b', '12345');
      await files.write('dir/a/below', '');
      const list = await files.list('dir');
      expect(list.map(({ name, type }) => [name, type])).toEqual([
        ['a', 'directory'],
        ['b', 'file'],
      ]);
      expect(list[1]).toMatchObject({ sizeBytes: 5 });
    });

    files('have whatever names they like', async (files) => {
      const names = ['-rf', 'a b', 'line\nbreak', 'ünï', 'quote\'"$(x)`', '*', '\\'];
      for (const name of names) await files.write(`odd/${name}`, name);
      for (const name of names) expect(await files.readText(`odd/${name}`)).toEqual(name);
      expect((await files.list('odd')).map(({ name }) => name)).toEqual([...names].sort());
      await files.write('-n', 'dash');
      expect(await files.readText('-n')).toEqual('dash');
      await files.remove('-n');
    });

    files('are removed; a directory only when that is asked for', async (files) => {
      await files.write('dir/a', '');
      expect(await failureOf(files.remove('dir'))).toMatchObject({ reason: 'is_directory' });
      await files.remove('dir/a');
      expect(await failureOf(files.read('dir/a'))).toMatchObject({ reason: 'not_found' });
      await files.write('dir/b', '');
      await files.remove('dir', { recursive: true });
      expect(await failureOf(files.list('dir'))).toMatchObject({ reason: 'not_found' });
    });

    files('are in directories, and in nothing else', async (files) => {
      await files.write('file', 'text');
      const failures = {
        write: await failureOf(files.write('file/below', 'text')),
        writeDeep: await failureOf(files.write('file/far/below', 'text')),
        read: await failureOf(files.read('file/below')),
        list: await failureOf(files.list('file/below')),
        remove: await failureOf(files.remove('file/below')),
      };
      const reasons = Object.values(failures).map((error) => (error as SandboxFileError).reason);
      expect(reasons).toEqual(reasons.map(() => 'not_directory'));
      expect(await files.readText('file')).toEqual('text');
    });

    files('that cannot be had fail with a reason', async (files) => {
      await files.write('dir/file', 'text');
      const failures = {
        read: await failureOf(files.read('absent')),
        readDirectory: await failureOf(files.read('dir')),
        writeDirectory: await failureOf(files.write('dir', 'text')),
        listFile: await failureOf(files.list('dir/file')),
        removeAbsent: await failureOf(files.remove('absent')),
      };
      expect(failures.read).toMatchObject({
        code: 'ERR_FILE',
        reason: 'not_found',
        path: 'absent',
      });
      expect(failures.readDirectory).toMatchObject({ code: 'ERR_FILE', reason: 'is_directory' });
      expect(failures.writeDirectory).toMatchObject({ code: 'ERR_FILE', reason: 'is_directory' });
      expect(failures.listFile).toMatchObject({ code: 'ERR_FILE', reason: 'not_directory' });
      expect(failures.removeAbsent).toMatchObject({ code: 'ERR_FILE', reason: 'not_found' });
    });
  });
}
