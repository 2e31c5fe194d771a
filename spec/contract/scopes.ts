import { concat, defer, lastValueFrom, of, Subject, throwError } from 'rxjs';
import { eventually, failureOf, type ContractSuite } from './kit.js';

/** Sandboxes that live as long as a subscription or a block. */
export function scopesContract({ describe, it, expect }: ContractSuite): void {
  describe('a scoped sandbox', () => {
    it('is made on subscribing, and gone before completion', async (kit) => {
      const scoped$ = kit.client.withSandbox({ tags: ['scoped'] }, (sandbox) =>
        concat(
          defer(() => kit.client.list({ tags: ['scoped'] })),
          sandbox.run$(kit.commands.exit3),
        ),
      );
      expect(await kit.client.list()).toEqual([]);
      expect(await lastValueFrom(scoped$.pipe(kit.untilOver()))).toMatchObject({ returncode: 3 });
      expect(await kit.client.list()).toEqual([]);
    });

    it('may be deleted by the function that uses it', async (kit) => {
      const scoped$ = kit.client.withSandbox({}, async (sandbox) => {
        await sandbox.delete();
        return 'deleted';
      });
      expect(await lastValueFrom(scoped$.pipe(kit.untilOver()))).toEqual('deleted');
      expect(await kit.client.list()).toEqual([]);
    });

    it('is gone before an error', async (kit) => {
      const broken = new Error('broken');
      const scoped$ = kit.client.withSandbox({}, () =>
        concat(
          of(1),
          throwError(() => broken),
        ),
      );
      expect((await failureOf(lastValueFrom(scoped$.pipe(kit.untilOver())))) === broken).toEqual(
        true,
      );
      expect(await kit.client.list()).toEqual([]);
    });

    it('is gone when the function that uses it throws', async (kit) => {
      const broken = new Error('broken');
      const scoped$ = kit.client.withSandbox({}, () => {
        throw broken;
      });
      expect((await failureOf(lastValueFrom(scoped$))) === broken).toEqual(true);
      expect(await kit.client.list()).toEqual([]);
    });

    it('is deleted when it is unsubscribed, with what runs in it', async (kit) => {
      const started: Subject<void> = new Subject();
      let runs = 0;
      started.subscribe(() => runs++);
      const subscription = kit.client
        .withSandbox({}, (sandbox) => {
          started.next();
          return sandbox.run$(kit.commands.sleep);
        })
        .subscribe();
      await eventually('it runs', () => runs === 1);
      subscription.unsubscribe();
      await eventually('it is deleted', async () => (await kit.client.list()).length === 0);
    });

    it('is not left behind when it is unsubscribed while it is being made', async (kit) => {
      kit.client
        .withSandbox({}, () => of(1))
        .subscribe()
        .unsubscribe();
      const creating = kit.client.create();
      // A backend that makes it at once has nothing to undo.
      if (!creating.cancel()) await (await creating).delete();
      await eventually('none is left', async () => (await kit.client.list()).length === 0);
    });

    it('is deleted at the end of its block, also when that has deleted it already', async (kit) => {
      const sandbox = await kit.open();
      await sandbox[Symbol.asyncDispose]();
      expect(await kit.client.list()).toEqual([]);
      await sandbox[Symbol.asyncDispose]();
    });
  });
}
