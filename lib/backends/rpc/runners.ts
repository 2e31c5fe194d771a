import { defer, map, type Observable } from 'rxjs';
import {
  checkBoolean,
  checkOneOf,
  checkRecord,
  checkText,
  requireText,
} from '../../process/validate.js';
import {
  ListAvailableRunnersRequest,
  RunnerCapabilitySummary,
  RunnerView,
  type AvailableRunner,
} from '../../wire/generated/coreweave/sandbox/v1/discovery.js';
import { Visibility } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { fromTimestamp } from '../../wire/timestamp.js';
import { getAvailableRunner, listAvailableRunners } from './methods.js';
import { allPages } from './all-pages.js';
import type { RpcTransport } from './rpc-transport.js';

/** Who can reach a service of a sandbox. */
export type ServiceVisibility = 'public' | 'private' | 'custom';

/** Which runners to list. */
export interface RunnerFilter {
  /** Only those of this group. */
  readonly groupId?: string;
  /** Only those that have GPUs of this type. */
  readonly gpuType?: string;
  /** Only those of this architecture, such as `amd64`. */
  readonly architecture?: string;
  /** Only those that are well. Default `false`. */
  readonly healthyOnly?: boolean;
  /** Only those whose sandboxes can have services that are seen so. */
  readonly serviceVisibility?: ServiceVisibility;
  /** Also ask what they have left: {@link RunnerInfo.resources}. Default `false`. */
  readonly resources?: boolean;
}

/** What a runner can have at most, or has left. */
export interface RunnerCapacity {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
  readonly gpus: number;
}

/** A runner: what sandboxes of a server run on. */
export interface RunnerInfo {
  readonly id: string;
  readonly groupId: string;
  readonly organizationId: string;
  readonly tags: readonly string[];
  readonly isHealthy: boolean;
  /** Others than the caller's organization run on it too. */
  readonly isShared: boolean;
  /** When it came, in milliseconds since 1970; absent where the server does not say. */
  readonly connectedAtMs?: number;
  readonly architectures: readonly string[];
  readonly gpuTypes: readonly string[];
  readonly serviceVisibilities: readonly ServiceVisibility[];
  /** The most that a sandbox can have on it; 0 where the server does not say. */
  readonly most: RunnerCapacity;
  /** What it has left, and how many sandboxes run on it; absent where that was not asked for. */
  readonly resources?: RunnerCapacity & { readonly sandboxes: number };
}

/**
 * What a server runs its sandboxes on. Everything is a cold Observable: each subscription asks anew.
 *
 * @example
 * ```ts
 * import { grpcBackend } from 'sandbox-rx/node';
 *
 * const { runners } = grpcBackend({ url: 'http://localhost:50051' });
 * runners.list({ healthyOnly: true }).subscribe(({ id, architectures }) => console.log(id, architectures));
 * ```
 */
export interface Runners {
  /**
   * Emits the runners there are, all pages of them, and completes.
   *
   * @throws {@link SandboxValidationError} at once, for a bad filter.
   */
  list(filter?: RunnerFilter): Observable<RunnerInfo>;
  /**
   * Emits one runner with its `resources`, and completes. Errors with a {@link SandboxNotFoundError} where there is none.
   * Servers of several organizations want to know whose it is; others pass that over.
   *
   * @throws {@link SandboxValidationError} at once, for what is no id.
   */
  get(id: string, options?: { readonly organizationId?: string }): Observable<RunnerInfo>;
}

const visibilities: Readonly<Record<ServiceVisibility, Visibility>> = {
  public: Visibility.VISIBILITY_PUBLIC,
  private: Visibility.VISIBILITY_PRIVATE,
  custom: Visibility.VISIBILITY_CUSTOM,
};

/** The runners of the server behind a transport. */
export class RpcRunners implements Runners {
  readonly #transport: RpcTransport;
  readonly #timeoutMs: number;

  constructor(transport: RpcTransport, timeoutMs: number) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
  }

  list(filter: RunnerFilter = {}): Observable<RunnerInfo> {
    checkFilter(filter);
    const { groupId: runnerGroupId, serviceVisibility, resources = false, ...wanted } = filter;
    const request = ListAvailableRunnersRequest.fromPartial({
      ...wanted,
      ...(runnerGroupId !== undefined && { runnerGroupId }),
      ...(serviceVisibility && { serviceVisibility: visibilities[serviceVisibility] }),
      view: resources ? RunnerView.RUNNER_VIEW_FULL : RunnerView.RUNNER_VIEW_BASIC,
    });
    const options = { timeoutMs: this.#timeoutMs };
    return allPages(
      (pageToken) =>
        this.#transport
          .call(listAvailableRunners, { ...request, pageToken }, options)
          .pipe(map(({ message }) => message)),
      ({ runners }) => runners,
    ).pipe(map(infoOf));
  }

  get(
    runnerId: string,
    options: { readonly organizationId?: string } = {},
  ): Observable<RunnerInfo> {
    requireText('id', runnerId);
    checkRecord('options', options);
    checkText('organizationId', options.organizationId);
    const { organizationId = '' } = options;
    const request = { runnerId, organizationId, view: RunnerView.RUNNER_VIEW_FULL };
    return defer(() =>
      this.#transport.call(getAvailableRunner, request, { timeoutMs: this.#timeoutMs }),
    ).pipe(map(({ message }) => infoOf(message)));
  }
}

function checkFilter(filter: RunnerFilter): void {
  checkRecord('filter', filter);
  for (const name of ['groupId', 'gpuType', 'architecture'] as const) checkText(name, filter[name]);
  for (const name of ['healthyOnly', 'resources'] as const) checkBoolean(name, filter[name]);
  checkOneOf('serviceVisibility', filter.serviceVisibility, Object.keys(visibilities));
}

function infoOf({ resources, connectedAt, ...runner }: AvailableRunner): RunnerInfo {
  const { runnerId: id, runnerGroupId: groupId, organizationId, tags } = runner;
  const { capabilities = RunnerCapabilitySummary.create() } = runner;
  const { supportedServiceVisibilities: seen, ...known } = capabilities;
  return {
    ...{ id, groupId, organizationId, tags },
    ...{ isHealthy: runner.healthy, isShared: runner.isShared },
    ...(connectedAt && { connectedAtMs: Math.floor(fromTimestamp(connectedAt)) }),
    architectures: known.supportedArchitectures,
    gpuTypes: known.supportedGpuTypes,
    serviceVisibilities: serviceVisibilities.filter((name) => seen.includes(visibilities[name])),
    most: {
      cpuMillicores: Number(known.maxCpuMillicores),
      memoryBytes: Number(known.maxMemoryBytes),
      gpus: Number(known.maxGpuCount),
    },
    ...(resources && {
      resources: {
        cpuMillicores: Number(resources.availableCpuMillicores),
        memoryBytes: Number(resources.availableMemoryBytes),
        gpus: Number(resources.availableGpuCount),
        sandboxes: resources.runningSandboxes,
      },
    }),
  };
}

const serviceVisibilities: readonly ServiceVisibility[] = ['public', 'private', 'custom'];
