import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { firstValueFrom, lastValueFrom, mergeMap, Subject, toArray, type Observable } from 'rxjs';
import { SandboxClient, SandboxValidationError, type SandboxBackend } from 'sandbox-rx';
import type { ConnectedBackend } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';
import { memoryPrograms } from '../memory/memory-programs.js';
import { SandboxTemplate } from '../../../lib/wire/generated/coreweave/sandbox/v1/sandbox_template.js';

let remote: Remote;
let embedded: SandboxBackend;
let backend: ConnectedBackend;

beforeEach(async () => {
  remote = new Remote();
  embedded = memoryBackend({ programs: memoryPrograms });
  backend = remote.backend(await remote.host(embedded));
});

afterEach(() => remote.close());

const one = <T>(source: Observable<T>): Promise<T> => firstValueFrom(source);
const all = <T>(source: Observable<T>): Promise<T[]> => lastValueFrom(source.pipe(toArray()));
const done = (source: Observable<never>): Promise<unknown> =>
  lastValueFrom(source, { defaultValue: undefined });

const wrong = (value: unknown): never => value as never;

const spec = {
  container: { image: 'alpine', command: ['sleep', '60'], env: { A: 'b' }, cwd: '/tmp' },
  ...({ tags: ['red'], lifetimeMs: 60_000, network: 'none' } as const),
};

describe('templates of a backend over rpc', () => {
  it('are made as they are asked for, and found by id and name', async () => {
    const made = await one(backend.templates.create('one', spec));
    expect(made).toMatchObject({ name: 'one', revision: 1, spec });
    expect(Date.now() - made.createdAtMs).toBeLessThan(60_000);
    expect(made).not.toHaveProperty('deletedAtMs');
    expect(await one(backend.templates.get('one'))).toEqual(made);
    expect(await one(backend.templates.get(made.id))).toEqual(made);
  });

  it('are made by each subscription, and not before', async () => {
    const making = backend.templates.create('one', {});
    expect(await all(backend.templates.list())).toEqual([]);
    await one(making);
    expect(await failureOf(one(making))).toMatchObject({
      ...{ code: 'ERR_VALIDATION' },
      remote: { violations: [{ field: 'sandbox_template.display_name' }] },
    });
  });

  it('say nothing that nobody has said', async () => {
    expect((await one(backend.templates.create('one', {}))).spec).toEqual({});
    const kept = await one(backend.templates.create('two', { container: {} }));
    expect(kept.spec).toEqual({ container: { image: 'python:3.11' } });
  });

  it('are changed where they are told to be', async () => {
    const { id } = await one(backend.templates.create('one', spec));
    const renamed = await one(backend.templates.update(id, { name: 'two' }));
    expect(renamed).toMatchObject({ name: 'two', revision: 2, spec });
    const replaced = await one(backend.templates.update(id, { spec: { tags: ['blue'] } }));
    expect(replaced).toMatchObject({ name: 'two', revision: 3 });
    expect(replaced.spec).toEqual({ tags: ['blue'] });
    expect(await one(backend.templates.update(id, {}))).toEqual(replaced);
  });

  it('are there no more when they were deleted, but for who asks for such', async () => {
    const { id } = await one(backend.templates.create('one', spec));
    await done(backend.templates.delete(id));
    expect(await all(backend.templates.list())).toEqual([]);
    const [deleted] = await all(backend.templates.list({ deleted: true }));
    expect(deleted).toMatchObject({ id, deletedAtMs: expect.any(Number) });
    expect(await one(backend.templates.get(id, { deleted: true }))).toEqual(deleted);
    for (const absent of [
      one(backend.templates.get(id)),
      done(backend.templates.delete(id)),
      one(backend.templates.update(id, { name: 'two' })),
      one(backend.templates.createSandbox(id)),
    ]) {
      expect(await failureOf(absent)).toMatchObject({
        ...{ code: 'ERR_NOT_FOUND', remote: { reason: 'CWSANDBOX_TEMPLATE_NOT_FOUND' } },
      });
    }
  });

  it('are listed on all pages', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `template-${index}`);
    for (const name of names) await one(backend.templates.create(name, {}));
    expect((await all(backend.templates.list())).map(({ name }) => name)).toEqual(names);
  });

  it('are refused to who may not write them', async () => {
    const tokens = [{ name: 'ada', token: 'of-ada' }];
    const url = await remote.host(embedded, { tokens });
    const { templates } = remote.backend(url, { token: 'of-ada' });
    expect(await failureOf(one(templates.create('one', {})))).toMatchObject({
      ...{ code: 'ERR_PERMISSION', remote: { grpcCode: 7 } },
    });
    expect(await all(templates.list())).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['a name that is none', () => backend.templates.create(wrong(5), {})],
    ['no spec', () => backend.templates.create('one', wrong(null))],
    ['a command of no array', () => backend.templates.create('one', container('sleep'))],
    ['a lifetime that is none', () => backend.templates.create('one', { lifetimeMs: 0 })],
    ['a NUL in the id', () => backend.templates.get('\0')],
    ['a view that is none', () => backend.templates.list({ deleted: wrong('yes') })],
    ['a change of nothing', () => backend.templates.update('one', wrong(undefined))],
    ['an override that is none', () => backend.templates.createSandbox('one', wrong([]))],
    ['an environment of numbers', () => backend.templates.createSandbox('one', numbers)],
  ])('are not asked for with %s', (_, call) => {
    expect(call).toThrow(SandboxValidationError);
  });
  const container = (command: unknown) => ({ container: { command: wrong(command) } });
  const numbers = { container: { env: { A: wrong(1) } } };

  it('are listed only as long as there is an end to them', async () => {
    const listSandboxTemplates: handleUnaryCall<unknown, unknown> = (_, answer) => {
      const template = SandboxTemplate.fromPartial({ sandboxTemplateId: 'x' });
      answer(null, { sandboxTemplates: [template], nextPageToken: 'again' });
    };
    const { templates } = remote.backend(await remote.service({ listSandboxTemplates }));
    expect(await failureOf(all(templates.list()))).toMatchObject({ code: 'ERR_REMOTE' });
  });
});

describe('sandboxes of a template', () => {
  it('run when they are told, as the template says', async () => {
    const { id } = await one(backend.templates.create('one', spec));
    const info = await one(backend.templates.createSandbox(id));
    expect(info).toMatchObject({ status: 'running', tags: ['red'] });
    const sandbox = await new SandboxClient(backend).get(info.id);
    expect((await sandbox.exec(['echoBoth'])).stdout).toBe('out\n');
  });

  it('are as the overrides say where they say something', async () => {
    await one(backend.templates.create('one', spec));
    const container = { command: ['echoBoth'] };
    const overrides = { tags: ['blue'], container };
    const info = await one(backend.templates.createSandbox('one', overrides));
    expect(info.tags).toEqual(['blue']);
    const sandbox = await new SandboxClient(backend).get(info.id);
    expect(await sandbox.wait()).toMatchObject({ status: 'completed', returncode: 0 });
  });

  it('are told to those who watch', async () => {
    await one(backend.templates.create('one', spec));
    const told: string[] = [];
    const watching = backend.watch({}).subscribe(({ id }) => told.push(id));
    const { id } = await one(backend.templates.createSandbox('one'));
    expect(told).toEqual([id]);
    watching.unsubscribe();
  });

  it('are undone by who leaves before they run', async () => {
    const gate: Subject<void> = new Subject();
    const asked: Subject<void> = new Subject();
    const create = embedded.create.bind(embedded);
    embedded.create = (wanted) => {
      asked.next();
      return gate.pipe(mergeMap(() => create(wanted)));
    };
    await one(backend.templates.create('one', spec));
    const begun = one(asked);
    const making = backend.templates.createSandbox('one').subscribe();
    await begun;
    making.unsubscribe();
    gate.next();
    await eventually('it is gone', async () => (await all(embedded.list({}))).length === 0);
    expect(await all(backend.list({ status: 'running' }))).toEqual([]);
  });
});
