import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { firstValueFrom, lastValueFrom, toArray, type Observable } from 'rxjs';
import { SandboxClient, SandboxValidationError } from 'sandbox-rx';
import type { Runners } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';
import {
  AvailableRunner,
  type ListAvailableRunnersRequest,
} from '../../../lib/wire/generated/coreweave/sandbox/v1/discovery.js';

let remote: Remote;
beforeEach(() => {
  remote = new Remote();
});
afterEach(() => remote.close());

const all = <T>(source: Observable<T>): Promise<T[]> => lastValueFrom(source.pipe(toArray()));
const wrong = (value: unknown): never => value as never;

/** A server with two pages of runners, and what it was asked. */
async function twoPages() {
  const asked: ListAvailableRunnersRequest[] = [];
  const runner = (runnerId: string): AvailableRunner =>
    AvailableRunner.fromPartial({
      ...{ runnerId, runnerGroupId: 'group', organizationId: 'org', tags: ['t'], healthy: true },
      connectedAt: { seconds: 1n, nanos: 500_000_000 },
      capabilities: {
        ...{ maxCpuMillicores: 4000n, maxMemoryBytes: 2n ** 40n, maxGpuCount: 8n },
        ...{ supportedGpuTypes: ['H100'], supportedArchitectures: ['amd64'] },
        supportedServiceVisibilities: [1, 3],
      },
      resources: { availableCpuMillicores: 1n, availableMemoryBytes: 2n, runningSandboxes: 3 },
    });
  const listAvailableRunners: handleUnaryCall<ListAvailableRunnersRequest, unknown> = (
    { request },
    answer,
  ) => {
    asked.push(request);
    const isFirst = request.pageToken === '';
    const runners = [runner(isFirst ? 'a' : 'b')];
    answer(null, { runners, nextPageToken: isFirst ? 'two' : '' });
  };
  const { runners } = remote.backend(await remote.service({ listAvailableRunners }));
  return { runners, asked };
}

describe('runners of a backend over rpc', () => {
  it('are a host, as itself', async () => {
    const backend = remote.backend(await remote.host(memoryBackend()));
    await new SandboxClient(backend).create();
    const [runner, ...more] = await all(backend.runners.list({ resources: true }));
    expect(more).toEqual([]);
    expect(runner).toMatchObject({ isHealthy: true, resources: { sandboxes: 1 } });
    expect(await firstValueFrom(backend.runners.get(runner?.id ?? ''))).toEqual(runner);
    expect((await all(backend.runners.list()))[0]).not.toHaveProperty('resources');
    expect(await all(backend.runners.list({ gpuType: 'H100' }))).toEqual([]);
    expect(await failureOf(firstValueFrom(backend.runners.get('other')))).toMatchObject({
      ...{ code: 'ERR_NOT_FOUND', remote: { reason: 'CWSANDBOX_RUNNER_NOT_FOUND' } },
    });
  });

  it('are listed on all pages, with all that is said of them', async () => {
    const { runners } = await twoPages();
    const [first, second] = await all(runners.list());
    expect(second?.id).toBe('b');
    expect(first).toEqual({
      ...{ id: 'a', groupId: 'group', organizationId: 'org', tags: ['t'] },
      ...{ isHealthy: true, isShared: false, connectedAtMs: 1500 },
      ...{
        architectures: ['amd64'],
        gpuTypes: ['H100'],
        serviceVisibilities: ['public', 'custom'],
      },
      most: { cpuMillicores: 4000, memoryBytes: 2 ** 40, gpus: 8 },
      resources: { cpuMillicores: 1, memoryBytes: 2, gpus: 0, sandboxes: 3 },
    });
  });

  it('are asked for with the filter, on each page and for each subscription', async () => {
    const { runners, asked } = await twoPages();
    const listing = runners.list({
      ...{ groupId: 'g', gpuType: 'H100', architecture: 'arm64', healthyOnly: true },
      ...{ serviceVisibility: 'private', resources: true },
    });
    expect(asked).toEqual([]);
    await all(listing);
    await all(listing);
    expect(asked.map(({ pageToken }) => pageToken)).toEqual(['', 'two', '', 'two']);
    for (const request of asked) {
      expect(request).toMatchObject({
        ...{ runnerGroupId: 'g', gpuType: 'H100', architecture: 'arm64', healthyOnly: true },
        ...{ serviceVisibility: 2, view: 2 },
      });
    }
  });

  it.each<[string, (runners: Runners) => unknown]>([
    ['a filter that is none', (runners) => runners.list(wrong(null))],
    ['a group that is none', (runners) => runners.list({ groupId: wrong(5) })],
    ['a truth that is none', (runners) => runners.list({ healthyOnly: wrong(1) })],
    ['no such visibility', (runners) => runners.list({ serviceVisibility: wrong('secret') })],
    ['an id that is none', (runners) => runners.get(wrong(undefined))],
    ['options that are none', (runners) => runners.get('a', wrong(5))],
  ])('are not asked for with %s', async (_, call) => {
    const { runners, asked } = await twoPages();
    expect(() => call(runners)).toThrow(SandboxValidationError);
    expect(asked).toEqual([]);
  });
});
