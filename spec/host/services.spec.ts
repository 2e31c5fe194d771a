import { afterEach, describe, expect, it } from '@jest/globals';
import type { ServiceError } from '@grpc/grpc-js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { grpcBackend, localBackend, type RunnerFilter } from 'sandbox-rx/node';
import {
  CreateSandboxRequest,
  DeleteSandboxRequest,
  EndpointAuth,
  EndpointKind,
  GetSandboxRequest,
  type Sandbox,
  SandboxServiceDefinition,
  type Service,
  ServiceProtocol,
  State,
  Visibility,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually, failureOf } from '../contract/kit.js';
import { bareCall, failure, Harness, memory } from './harness.js';

const { createSandbox, getSandbox, deleteSandbox } = SandboxServiceDefinition.methods;
const harness = new Harness();

afterEach(() => harness.close());

const local = () => localBackend({ isolation: 'none' });

function get(url: string, sandboxId: string): Promise<Sandbox> {
  return bareCall(url, getSandbox, GetSandboxRequest.fromPartial({ sandboxId }));
}

/** As CoreWeave's clients ask for it: the answer does not wait until it runs. */
async function create(url: string, services: readonly Partial<Service>[]): Promise<Sandbox> {
  const spec = { containers: [{ name: 'main', image: 'any' }], services: [...services] };
  const request = CreateSandboxRequest.fromPartial({ sandbox: { spec } });
  const { sandboxId } = await bareCall(url, createSandbox, request);
  const isOver = async () => (await get(url, sandboxId)).status?.state !== State.STATE_CREATING;
  await eventually('it runs', isOver);
  return get(url, sandboxId);
}

const open = { visibility: Visibility.VISIBILITY_PUBLIC };

describe('the services of a sandbox', () => {
  it('are told with their addresses to who watches all sandboxes', async () => {
    const { url } = await harness.listening({}, local());
    const urls: (readonly string[])[] = [];
    const watching = harness.client({ url }).sandboxes$.subscribe({
      next: (list) =>
        urls.push(list.flatMap(({ services = [] }) => services.map((service) => service.url))),
    });
    await eventually('it is told what there is', () => urls.length > 0);
    await create(url, [{ port: 8001, name: 'web', ...open }]);
    await eventually('the address is told', () => urls.at(-1)?.[0] === 'http://127.0.0.1:8001');
    watching.unsubscribe();
  });

  it('are told with their addresses, if anybody can reach them', async () => {
    const { url } = await harness.listening({}, local());
    const kind = EndpointKind.ENDPOINT_KIND_HTTPS;
    const auth = EndpointAuth.ENDPOINT_AUTH_OPEN;
    const { status } = await create(url, [
      { port: 8001, name: 'web', ...open },
      { port: 8002 },
      { port: 8003, visibility: Visibility.VISIBILITY_PRIVATE },
      { port: 8004, endpoint: { kind, auth }, ...open },
    ]);
    expect(status?.services).toMatchObject([
      { port: 8001, name: 'web', url: 'http://127.0.0.1:8001', endpoint: undefined, ...open },
      { port: 8002, url: '', visibility: Visibility.VISIBILITY_UNSPECIFIED },
      { port: 8003, url: 'http://127.0.0.1:8003', visibility: Visibility.VISIBILITY_PRIVATE },
      { port: 8004, endpoint: { kind, auth, url: 'http://127.0.0.1:8004' } },
    ]);
  });

  it('have no addresses any more when it is over', async () => {
    const { url } = await harness.listening({}, local());
    const { sandboxId } = await create(url, [{ port: 8001, ...open }]);
    await bareCall(url, deleteSandbox, DeleteSandboxRequest.fromPartial({ sandboxId }));
    const { status } = await get(url, sandboxId);
    expect(status?.services).toMatchObject([{ port: 8001, url: '', ...open }]);
  });

  it('have none after their host has died, but are still known', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'sandbox-rx-host-'));
    harness.closing(() => {
      rmSync(dataDirectory, { recursive: true });
    });
    const first = await harness.listening({ dataDirectory }, local());
    const { sandboxId } = await create(first.url, [{ port: 8001, name: 'web', ...open }]);
    await first.host.close();
    const { url } = await harness.listening({ dataDirectory }, local());
    const { spec, status } = await get(url, sandboxId);
    expect(spec?.services).toMatchObject([{ port: 8001, name: 'web', ...open }]);
    expect(status?.services).toMatchObject([{ port: 8001, name: 'web', url: '', ...open }]);
  });

  it('are refused at the creation where the backend has none', async () => {
    const { host, url } = await harness.listening({}, memory());
    await expectRefusal(create(url, [{ port: 8001, ...open }]));
    const { status } = await create(url, [{ port: 8001 }]);
    expect(status).toMatchObject({
      state: State.STATE_RUNNING,
      services: [{ port: 8001, url: '' }],
    });
    await host.close();
  });

  it.each<[string, Partial<Service>]>([
    ['UDP', { protocol: ServiceProtocol.SERVICE_PROTOCOL_UDP, ...open }],
    ['a visibility by rules', { visibility: Visibility.VISIBILITY_CUSTOM }],
    ['TLS of their own', endpoint(EndpointKind.ENDPOINT_KIND_TLS_PASSTHROUGH, 0)],
    [
      'tokens of their own',
      endpoint(EndpointKind.ENDPOINT_KIND_HTTPS, EndpointAuth.ENDPOINT_AUTH_TOKEN),
    ],
  ])('are refused with %s', async (_what, service) => {
    const { url } = await harness.listening({}, local());
    await expectRefusal(create(url, [{ port: 8001, ...service }]));
  });

  it('are what runners are asked for', async () => {
    const [able, unable] = [
      await harness.listening({}, local()),
      await harness.listening({}, memory()),
    ];
    const found = async (url: string, filter: RunnerFilter) => {
      const backend = grpcBackend({ url });
      harness.closing(() => {
        backend.close();
      });
      const runners = await lastValueFrom(backend.runners.list(filter).pipe(toArray()));
      return runners.map(({ serviceVisibilities }) => serviceVisibilities);
    };
    const both = ['public', 'private'];
    expect(await found(able.url, {})).toEqual([both]);
    expect(await found(able.url, { serviceVisibility: 'private' })).toEqual([both]);
    expect(await found(able.url, { serviceVisibility: 'custom' })).toEqual([]);
    expect(await found(unable.url, {})).toEqual([[]]);
    expect(await found(unable.url, { serviceVisibility: 'public' })).toEqual([]);
  });
});

function endpoint(kind: EndpointKind, auth: EndpointAuth): Partial<Service> {
  return { endpoint: { kind, auth }, ...open };
}

async function expectRefusal(creation: Promise<Sandbox>): Promise<void> {
  const error = (await failureOf(creation)) as ServiceError;
  expect(failure(error)).toMatchObject({
    code: 12,
    remote: { reason: 'CWSANDBOX_NOT_IMPLEMENTED', metadata: { capability: 'services' } },
  });
}
