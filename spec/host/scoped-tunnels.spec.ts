import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { firstValueFrom } from 'rxjs';
import { SandboxClient } from 'sandbox-rx';
import type { HostOptions } from 'sandbox-rx/host';
import { grpcBackend, type TokenScope } from 'sandbox-rx/node';
import {
  ExecStreamRequest,
  SandboxServiceDefinition,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { AttachProcessRequest } from '../../lib/wire/generated/sandboxrx/v1/runs.js';
import {
  WatchSandboxesRequest,
  WatchSandboxesResponse,
} from '../../lib/wire/generated/sandboxrx/v1/watches.js';
import { metricsUntil } from '../support/metrics.js';
import { Harness } from './harness.js';
import { framesOf, textOf, TunnelClient, webSocketTo, type WatchedCall } from './tunnel-client.js';

const harness = new Harness();
afterEach(() => {
  jest.restoreAllMocks();
  return harness.close();
});

const { methods } = SandboxServiceDefinition;
const tokens = [{ name: 'ada', token: 'token-of-ada' }];

/** A host with sandboxes `own` and `other`, whose tokens open tunnels. */
async function guarded(options: HostOptions = {}) {
  const { host, url } = await harness.listening({ tokens, ...options });
  const tunnelUrl = host.tunnelUrl ?? '';
  const ada = grpcBackend({ url, token: 'token-of-ada' });
  harness.closing(() => {
    ada.close();
  });
  for (const id of ['own', 'other']) await new SandboxClient(ada).create({ id });
  const made = async (scope: TokenScope) => (await firstValueFrom(ada.tokens.create(scope))).token;
  const tunnelFor = async (token: string): Promise<TunnelClient> => {
    const client = new TunnelClient();
    harness.closing(() => {
      client.close();
    });
    await client.connect(tunnelUrl, { token });
    await client.until('connected');
    return client;
  };
  return { url, tunnelUrl, metricsUrl: host.metricsUrl ?? '', made, tunnelFor };
}

function listedBy(client: TunnelClient) {
  return client.unary(methods.listSandboxes, methods.listSandboxes.requestType.fromPartial({}));
}

function sendInit(run: WatchedCall, sandboxId: string): void {
  const value = { sandboxId, command: ['cat'] };
  const message = { $case: 'init', value } as const;
  run.call.send([ExecStreamRequest.encode(ExecStreamRequest.fromPartial({ message })).finish()]);
}

function sendInput(run: WatchedCall, text: string): void {
  const message = { $case: 'stdin', value: Buffer.from(text) } as const;
  run.call.send([ExecStreamRequest.encode({ message }).finish()]);
}

const started = (run: WatchedCall): Promise<void> =>
  run.until(() => framesOf(run).some(({ $case }) => $case === 'ready'));

const denied = { code: status.PERMISSION_DENIED, reason: 'SANDBOXRX_PERMISSION' };

describe('a token with a scope, in a tunnel', () => {
  it('is kept to what it is for as over gRPC', async () => {
    const { made, tunnelFor } = await guarded();
    const client = await tunnelFor(await made({ sandboxId: 'own', readOnly: true }));
    const { response } = await listedBy(client);
    expect(response?.sandboxes.map(({ sandboxId }) => sandboxId)).toEqual(['own']);
    const get = (sandboxId: string) => client.unary(methods.getSandbox, { sandboxId });
    expect(await get('own')).toMatchObject({ code: status.OK });
    expect(await get('other')).toEqual(denied);
    expect(await client.run('own', ['echoBoth']).ended()).toMatchObject(denied);
    const logs = client.open('/coreweave.sandbox.v1.SandboxService/StreamLogs');
    const { requestType } = methods.streamLogs;
    logs.call.send([requestType.encode(requestType.fromPartial({ sandboxId: 'other' })).finish()]);
    logs.call.halfClose();
    expect(await logs.ended()).toMatchObject(denied);
  });

  it('has no run of its go on in another sandbox, and ends it', async () => {
    const { made, tunnelFor } = await guarded();
    const client = await tunnelFor(await made({ sandboxId: 'own' }));
    const run = client.run('own', ['cat']);
    await started(run);
    sendInit(run, 'other');
    expect(await run.ended()).toMatchObject(denied);
    expect(await client.run('other', ['cat']).ended()).toMatchObject(denied);
  });

  it('begins no call when its time is over, though the tunnel is there', async () => {
    const clock = jest.spyOn(Date, 'now');
    const { made, tunnelFor, tunnelUrl } = await guarded();
    const token = await made({});
    const client = await tunnelFor(token);
    expect(await listedBy(client)).toMatchObject({ code: status.OK });
    // A clock that was set, or a computer that slept: no timer knows of that.
    clock.mockReturnValue(Date.now() + 86_400_000);
    const expired = { code: status.UNAUTHENTICATED, reason: 'SANDBOXRX_TOKEN_EXPIRED' };
    expect(await listedBy(client)).toEqual(expired);
    await expect(webSocketTo(tunnelUrl, { token })).rejects.toMatchObject({ status: 401 });
    expect(client.told).toEqual(['connected']);
  });

  it('has its tunnel closed when its time is over, and its calls ended where no other one comes', async () => {
    const { made, tunnelFor, metricsUrl } = await guarded({ tunnelGraceMs: 1000, metricsPort: 0 });
    const client = await tunnelFor(await made({ ttlMs: 3000 }));
    const run = client.run('own', ['cat']);
    await started(run);
    if (client.webSocket === undefined) throw new Error('there is no WebSocket');
    const closed = once(client.webSocket, 'close');
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 1, sandboxrx_tunnel_sessions: 1 });
    const [code, reason] = (await closed) as [number, Buffer];
    expect({ code, reason: String(reason) }).toEqual({
      ...{ code: 4015, reason: 'the token has expired' },
    });
    await metricsUntil(metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_tunnel_sessions: 0 });
  });

  it('resumes what another one for the same began, and loses nothing by that', async () => {
    const { made, tunnelFor, tunnelUrl } = await guarded();
    const client = await tunnelFor(await made({ sandboxId: 'own', ttlMs: 3000 }));
    const run = client.run('own', ['cat']);
    sendInput(run, 'before, ');
    await run.until(() => textOf(run) === 'before, ');
    await client.until('disconnected');
    sendInput(run, 'between, ');
    await client.connect(tunnelUrl, { token: await made({ sandboxId: 'own' }) });
    await client.until('resumed');
    expect(await listedBy(client)).toMatchObject({ code: status.OK });
    sendInput(run, 'after');
    run.call.halfClose();
    expect(await run.ended()).toMatchObject({ code: status.OK });
    expect(textOf(run)).toBe('before, between, after');
  });

  it.each<[string, TokenScope | undefined, TokenScope | undefined]>([
    ['its issuer began', undefined, { sandboxId: 'own' }],
    ['one for another sandbox began', { sandboxId: 'other' }, { sandboxId: 'own' }],
    ['one that may write began', {}, { readOnly: true }],
    ['it began, if that is its issuer', { sandboxId: 'own' }, undefined],
  ])('resumes nothing that %s', async (_, first, second) => {
    const { made, tunnelFor, tunnelUrl } = await guarded();
    const tokenFor = async (scope: TokenScope | undefined) =>
      scope === undefined ? 'token-of-ada' : made(scope);
    const client = await tunnelFor(await tokenFor(first));
    client.webSocket?.terminate();
    await client.until('disconnected');
    await client.connect(tunnelUrl, { token: await tokenFor(second) });
    await client.until('disconnected forbidden');
  });

  it('hears nothing of others by watching, not even that something has changed', async () => {
    const { url, made, tunnelFor } = await guarded();
    const client = await tunnelFor(await made({ sandboxId: 'own' }));
    const watch = client.open('/sandboxrx.v1.WatchService/WatchSandboxes');
    watch.call.send([WatchSandboxesRequest.encode({ after: undefined }).finish()]);
    watch.call.halfClose();
    const told = (): WatchSandboxesResponse[] =>
      watch.messages.map((message) => WatchSandboxesResponse.decode(message));
    await watch.until(() => told().at(-1)?.cursor !== undefined);
    const ada = harness.client({ url, token: 'token-of-ada' });
    await (await ada.create({ id: 'third' })).delete();
    await (await ada.get('other')).delete();
    await (await ada.get('own')).delete();
    await watch.until(() => told().some(({ deletedIds }) => deletedIds.length > 0));
    const ids = told().map(({ sandboxes, deletedIds }) => [
      ...sandboxes.map(({ sandboxId }) => sandboxId),
      ...deletedIds,
    ]);
    expect(ids.length).toBeGreaterThan(1);
    expect(ids).toEqual(ids.map(() => ['own']));
  });

  it('to look only keeps nobody out by asking for runs that there are not', async () => {
    const { url, made, tunnelFor } = await guarded();
    const client = await tunnelFor(await made({ readOnly: true, sandboxId: 'own' }));
    const asked = async (observerId: string): Promise<void> => {
      const value = { sandboxId: 'own', runId: 'nobody', observerId };
      const message = { $case: 'open', value } as const;
      const call = client.open('/sandboxrx.v1.RunService/AttachProcess');
      call.call.send([
        AttachProcessRequest.encode(AttachProcessRequest.fromPartial({ message })).finish(),
      ]);
      await call.until(() => call.messages.length === 2);
      call.call.cancel();
    };
    for (let first = 0; first < 10_000; first += 100)
      await Promise.all(Array.from({ length: 100 }, (_, index) => asked(String(first + index))));
    const sandbox = await harness.client({ url, token: 'token-of-ada' }).get('own');
    const { returncode } = await sandbox.exec(['echoBoth'], { id: 'mine' });
    expect(returncode).toBe(0);
    expect((await sandbox.attach('mine')).returncode).toBe(0);
  });

  it('sees no metrics of the host', async () => {
    const { url, made } = await guarded({ serveMetrics: true });
    const answer = async (token: string) =>
      (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect(await answer('token-of-ada')).toBe(200);
    for (const scope of [{}, { readOnly: true }, { sandboxId: 'own' }])
      expect(await answer(await made(scope))).toBe(403);
  });
});
