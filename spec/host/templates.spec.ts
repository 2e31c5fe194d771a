import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { SandboxError } from 'sandbox-rx';
import { GrpcTransport } from '../../lib/backends/rpc/grpc/grpc-transport.js';
import { rpcMethod } from '../../lib/backends/rpc/rpc-method.js';
import {
  CreateSandboxFromTemplateRequest,
  PartialSandboxSpec,
  SandboxServiceDefinition,
  type Sandbox,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  CreateSandboxTemplateRequest,
  GetSandboxTemplateRequest,
  ListSandboxTemplatesRequest,
  type SandboxTemplate,
  SandboxTemplateServiceDefinition,
  UpdateSandboxTemplateRequest,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import { Harness } from './harness.js';

const { methods } = SandboxTemplateServiceDefinition;

function of<Request, Response>(method: {
  name: string;
  requestType: Parameters<typeof rpcMethod<Request, Response>>[1]['requestType'];
  responseType: Parameters<typeof rpcMethod<Request, Response>>[1]['responseType'];
}) {
  return rpcMethod(SandboxTemplateServiceDefinition, method);
}

describe('templates', () => {
  const harness = new Harness();
  let transport: GrpcTransport;

  beforeEach(async () => {
    transport = connected((await harness.listening()).url);
  });

  afterEach(() => harness.close());

  const connected = (url: string, metadata: Record<string, string> = {}): GrpcTransport => {
    const made = new GrpcTransport({
      ...{ address: new URL(url).host },
      ...{ metadata: () => metadata, windowBytes: 65_535 },
      ...{ connectTimeoutMs: 20_000, keepaliveMs: 60_000, keepaliveTimeoutMs: 60_000 },
    });
    harness.closing(() => {
      made.close();
    });
    return made;
  };

  const call = async <Request, Response>(
    method: ReturnType<typeof rpcMethod<Request, Response>>,
    request: Request,
  ): Promise<Response> => (await firstValueFrom(transport.call(method, request))).message;

  const failureOf = (operation: Promise<unknown>): Promise<SandboxError> =>
    operation.then(
      () => {
        throw new Error('it succeeded');
      },
      (error: unknown) => error as SandboxError,
    );

  const make = (displayName: string, spec: object): Promise<SandboxTemplate> =>
    call(
      of(methods.createSandboxTemplate),
      CreateSandboxTemplateRequest.fromPartial({ sandboxTemplate: { displayName, spec } }),
    );

  const container = (command: string) => ({
    containers: [{ name: 'main', image: 'any', command }],
  });

  it('are made, found by id and by name, and listed in pages', async () => {
    const one = await make('one', container('cat'));
    await make('two', container('cat'));
    expect(one).toMatchObject({ displayName: 'one', revision: 1n, deleted: false });
    for (const sandboxTemplateId of ['one', one.sandboxTemplateId]) {
      const request = GetSandboxTemplateRequest.fromPartial({ sandboxTemplateId });
      expect(await call(of(methods.getSandboxTemplate), request)).toEqual(one);
    }
    const list = (pageToken: string) =>
      call(
        of(methods.listSandboxTemplates),
        ListSandboxTemplatesRequest.fromPartial({ pageSize: 1, pageToken }),
      );
    const first = await list('');
    const second = await list(first.nextPageToken);
    const names = [first, second].map((page) =>
      page.sandboxTemplates.map(({ displayName }) => displayName),
    );
    expect([names, second.nextPageToken]).toEqual([[['one'], ['two']], '']);
  });

  it('have names that no other has', async () => {
    await make('one', {});
    expect(await failureOf(make('one', {}))).toMatchObject({ code: 'ERR_VALIDATION' });
    expect(await failureOf(make('', {}))).toMatchObject({ code: 'ERR_VALIDATION' });
    const both = await Promise.allSettled([make('two', {}), make('two', {})]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('are made once by a request that is made again, after a restart too', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'sandbox-rx-host-'));
    harness.closing(() => {
      rmSync(dataDirectory, { recursive: true });
    });
    const made = (displayName: string) => ({ requestId: 'once', sandboxTemplate: { displayName } });
    const create = async (url: string, displayName: string, name: string) => {
      const request = CreateSandboxTemplateRequest.fromPartial(made(displayName));
      const caller = connected(url, { authorization: `Bearer token-of-${name}` });
      return (await firstValueFrom(caller.call(of(methods.createSandboxTemplate), request)))
        .message;
    };
    const tokens = ['ada', 'grace'].map((name) => ({
      name,
      token: `token-of-${name}`,
      admin: true,
    }));
    const first = await harness.listening({ dataDirectory, tokens });
    const one = await create(first.url, 'one', 'ada');
    expect(await create(first.url, 'one', 'ada')).toEqual(one);
    expect(await failureOf(create(first.url, 'two', 'ada'))).toMatchObject({
      ...{ code: 'ERR_VALIDATION' },
      remote: { violations: [{ field: 'request_id' }] },
    });
    const hers = await create(first.url, 'hers', 'grace');
    expect(hers.sandboxTemplateId).not.toBe(one.sandboxTemplateId);
    await first.host.close();

    const second = await harness.listening({ dataDirectory, tokens });
    expect(await create(second.url, 'one', 'ada')).toEqual(one);
  });

  it('that go between two pages shift no other', async () => {
    const [first] = [await make('one', {}), await make('two', {}), await make('three', {})];
    const list = (pageToken: string) =>
      call(
        of(methods.listSandboxTemplates),
        ListSandboxTemplatesRequest.fromPartial({ pageSize: 1, pageToken }),
      );
    const { nextPageToken } = await list('');
    const { sandboxTemplateId } = first;
    await call(of(methods.deleteSandboxTemplate), { sandboxTemplateId });
    const [next] = (await list(nextPageToken)).sandboxTemplates;
    expect(next?.displayName).toBe('two');
  });

  it('are changed as the mask says, and count their revisions', async () => {
    const { sandboxTemplateId } = await make('one', { tags: ['red'], annotations: { a: 'b' } });
    const update = (change: Parameters<typeof UpdateSandboxTemplateRequest.fromPartial>[0]) =>
      call(
        of(methods.updateSandboxTemplate),
        UpdateSandboxTemplateRequest.fromPartial({ sandboxTemplateId, ...change }),
      );
    const renamed = await update({
      sandboxTemplate: { displayName: 'two' },
      updateMask: ['display_name'],
    });
    expect(renamed).toMatchObject({ displayName: 'two', revision: 2n, spec: { tags: ['red'] } });
    const replaced = await update({
      sandboxTemplate: { displayName: 'two', spec: { tags: ['blue'] } },
    });
    expect(replaced).toMatchObject({ revision: 3n, spec: { tags: ['blue'], annotations: {} } });
    const wrong = update({ sandboxTemplate: { displayName: 'x' }, updateMask: ['revision'] });
    expect(await failureOf(wrong)).toMatchObject({ code: 'ERR_VALIDATION' });
  });

  it('that are deleted make no sandboxes, and are shown to those who ask for such', async () => {
    const { sandboxTemplateId } = await make('one', container('cat'));
    await call(of(methods.deleteSandboxTemplate), { sandboxTemplateId });
    const get = (showDeleted: boolean) =>
      call(of(methods.getSandboxTemplate), { sandboxTemplateId, showDeleted });
    expect(await failureOf(get(false))).toMatchObject({
      code: 'ERR_NOT_FOUND',
      remote: { reason: 'CWSANDBOX_TEMPLATE_NOT_FOUND' },
    });
    expect(await get(true)).toMatchObject({ deleted: true });
    expect(await failureOf(fromTemplate('one', {}))).toMatchObject({ code: 'ERR_NOT_FOUND' });
    // Its name is free again.
    await make('one', {});
  });

  it('make sandboxes, with what is present on top of them', async () => {
    const { sandboxTemplateId } = await make('one', {
      ...container('sleep'),
      ...{ tags: ['red'], annotations: { of: 'template' }, maxLifetimeSeconds: 60 },
    });
    const plain = await fromTemplate('one', {});
    expect(plain).toMatchObject({
      ...{ sourceTemplateId: sandboxTemplateId, sourceTemplateRevision: 1n },
      spec: { tags: ['red'], maxLifetimeSeconds: 60, containers: [{ command: 'sleep' }] },
    });
    const over = await fromTemplate('one', { tags: ['blue'], ...container('cat') });
    expect(over.spec).toMatchObject({
      ...{ tags: ['blue'], maxLifetimeSeconds: 60, annotations: { of: 'template' } },
      containers: [{ command: 'cat' }],
    });
  });

  const fromTemplate = (templateId: string, overrides: object): Promise<Sandbox> =>
    call(
      rpcMethod(
        SandboxServiceDefinition,
        SandboxServiceDefinition.methods.createSandboxFromTemplate,
      ),
      CreateSandboxFromTemplateRequest.fromPartial({
        templateId,
        overrides: PartialSandboxSpec.fromPartial(overrides),
      }),
    );
});
