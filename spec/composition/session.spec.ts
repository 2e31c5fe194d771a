import { describe, expect, it } from '@jest/globals';
import { concat, concatAll, lastValueFrom, NEVER, throwError, toArray } from 'rxjs';
import {
  CancelledError,
  runAll,
  SandboxClient,
  SandboxError,
  SandboxPool,
  SandboxValidationError,
  Session,
  toSummary,
  type SandboxFilter,
  type SessionOptions,
} from 'sandbox-rx';
import { exit } from 'sandbox-rx/testing';
import { slowBackend } from './altered-backend.js';
import { job, memoryPlace, record } from './fleet-kit.js';

describe('a session', () => {
  it('gives its sandboxes what they have in common', async () => {
    const seen: unknown[] = [];
    const { client } = memoryPlace({
      env: ({ cwd, env }) => {
        seen.push({ cwd, env });
        return [exit(0)];
      },
    });
    const defaults = { tags: ['night'], cwd: 'here', env: { A: '1', B: '1' } };
    await using session = new Session(client, { defaults });
    const sandbox = await session.client.create({
      tags: ['own'],
      env: { B: '2' },
      cwd: undefined!,
    });
    await sandbox.exec(['env']);
    expect(seen).toEqual([{ cwd: 'here', env: { A: '1', B: '2' } }]);
    expect(await sandbox.status()).toMatchObject({ tags: ['night', 'own'] });
    const plain = await session.client.create();
    expect(await plain.status()).toMatchObject({ tags: ['night'] });
  });

  it('deletes all of its sandboxes at its end, and no others', async () => {
    const { client, sandbox } = memoryPlace();
    {
      await using session = new Session(client);
      const made = await session.client.create();
      await session.client.create();
      await made.delete();
      expect(session.sandboxIds).toHaveLength(1);
      await session.client.create();
      expect(await client.list()).toHaveLength(3);
    }
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
  });

  it('ends the runs of its sandboxes with them, and lets nothing in any more', async () => {
    const { client, backend } = memoryPlace({ sleep: () => NEVER });
    const session = new Session(client);
    const sandbox = await session.client.create();
    sandbox.exec(['sleep']);
    await session.close();
    await session.close();
    expect(backend.runs.map(({ state }) => state)).not.toContain('running');
    await expect(session.client.create()).rejects.toThrow(CancelledError);
    await expect(session.get(sandbox.id)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('waits at its end for what is being made, and deletes it', async () => {
    const { backend, sandbox } = memoryPlace();
    const session = new Session(new SandboxClient(slowBackend(backend, 5)));
    const creating = session.client.create();
    await session.close();
    expect(record(backend.list({})).seen).toMatchObject([{ id: sandbox.id }]);
    // It is over by then, and not a moment later.
    expect(record(creating.result$).end).toEqual(expect.any(CancelledError));
  });

  it('adopts what has its tags, and what is named', async () => {
    const { client, sandbox } = memoryPlace();
    const left = await client.create({ tags: ['night', 'left'] });
    const other = await client.create({ tags: ['day'] });
    const named = await client.create({ tags: ['day'] });
    const session = new Session(client, { defaults: { tags: ['night'] } });
    expect((await session.list()).map(({ id }) => id)).toEqual([left.id]);
    expect((await session.adopt()).map(({ id }) => id)).toEqual([left.id]);
    expect((await session.get(named.id)).id).toBe(named.id);
    await session.get(named.id);
    expect(session.stats).toMatchObject({ sandboxesCreated: 0, sandboxesAdopted: 2 });
    await session.close();
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id, other.id]);
  });

  it('adopts the others where one goes meanwhile', async () => {
    const { client, backend } = memoryPlace();
    const [gone, left] = [
      await client.create({ tags: ['night'] }),
      await client.create({ tags: ['night'] }),
    ];
    const session = new Session(client, { defaults: { tags: ['night'] } });
    const list = backend.list.bind(backend);
    backend.list = (wanted) =>
      concat(list(wanted), backend.delete(gone.id)).pipe(toArray(), concatAll());
    expect((await session.adopt()).map(({ id }) => id)).toEqual([left.id]);
  });

  it('refuses to adopt everything there is', () => {
    const { client } = memoryPlace();
    const session = new Session(client);
    expect(() => session.adopt()).toThrow(SandboxValidationError);
    expect(() => session.adopt({ tags: 'night' } as unknown as SandboxFilter)).toThrow(
      SandboxValidationError,
    );
  });

  it('counts what was run, and how it ended', async () => {
    const { client } = memoryPlace({ sleep: () => NEVER });
    await using session = new Session(client);
    expect(session.stats).toEqual({
      ...{ sandboxesCreated: 0, sandboxesAdopted: 0, executions: 0 },
      ...{ succeeded: 0, nonzero: 0, failed: 0, cancelled: 0 },
    });
    const [one, two] = [await session.client.create(), await session.client.create()];
    await one.exec(job(0));
    await one.exec(job(0, 3));
    await one.exec(job(0, 3), { check: true }).closed;
    await one.exec(['nobody']).closed;
    one.exec(['sleep']).cancel();
    two.exec(['sleep']);
    expect(session.stats).toMatchObject({
      ...{ sandboxesCreated: 2, executions: 6, succeeded: 1, nonzero: 2, failed: 1, cancelled: 1 },
      startupMs: { count: 2 },
      executionsPerSandbox: { count: 2, mean: 3, min: 1, max: 5 },
    });
  });

  it('counts what runAll and a pool do through its client, and deletes what they leave', async () => {
    const { client, sandbox } = memoryPlace();
    const session = new Session(client);
    const pool = new SandboxPool(session.client, { min: 2 });
    const commands = [job(0), job(0, 1), job(0)];
    await lastValueFrom(runAll(commands, { pool }).pipe(toSummary()));
    await lastValueFrom(runAll(commands, { client: session.client }).pipe(toSummary()));
    expect(session.stats).toMatchObject({ executions: 6, succeeded: 4, nonzero: 2 });
    await session.close();
    await pool.close();
    expect((await client.list()).map(({ id }) => id)).toEqual([sandbox.id]);
  });

  it('tells what could not be deleted, and tries it again', async () => {
    const { client, backend } = memoryPlace();
    const session = new Session(client);
    await session.client.create();
    await session.client.create();
    const remove = backend.delete.bind(backend);
    backend.delete = () => throwError(() => new SandboxError('ERR_REMOTE', 'busy'));
    await expect(session.close()).rejects.toMatchObject({
      code: 'ERR_REMOTE',
      cause: { errors: [{ message: 'busy' }, { message: 'busy' }] },
    });
    expect(session.sandboxIds).toHaveLength(2);
    backend.delete = remove;
    await session.close();
    expect(session.sandboxIds).toEqual([]);
    expect(record(backend.list({})).seen).toHaveLength(1);
  });

  it.each<unknown>([null, { defaults: 5 }, { defaults: { tags: 'a' } }, { defaults: { id: 'a' } }])(
    'refuses options at once: %j',
    (options) => {
      const { client } = memoryPlace();
      expect(() => new Session(client, options as SessionOptions)).toThrow(SandboxValidationError);
      expect(() => new Session(null as unknown as SandboxClient)).toThrow(SandboxValidationError);
    },
  );
});
