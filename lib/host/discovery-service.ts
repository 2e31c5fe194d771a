import { defer, of, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import {
  AvailableRunner,
  RunnerResourceSummary,
  RunnerView,
  type GetAvailableRunnerRequest,
  type ListAvailableRunnersRequest,
  type ListAvailableRunnersResponse,
} from '../wire/generated/coreweave/sandbox/v1/discovery.js';
import { Visibility } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { GrpcCode } from '../wire/grpc-code.js';
import { Reason } from '../wire/reasons.js';
import { serviceVisibilities } from '../wire/services.js';
import { toTimestamp } from '../wire/timestamp.js';
import { checkEnum } from './bad-field.js';
import { pageOf } from './pages.js';
import { runner } from './runner.js';
import type { Sandboxes } from './sandboxes.js';

/** DiscoveryService: a host is the one runner that it has. */
export class DiscoveryService {
  readonly #sandboxes: Sandboxes;
  readonly #visibilities: readonly Visibility[];
  readonly #sinceMs: number = Date.now();

  constructor({ capabilities }: SandboxBackend, sandboxes: Sandboxes) {
    this.#sandboxes = sandboxes;
    this.#visibilities = capabilities.services ? serviceVisibilities : [];
  }

  list(request: ListAvailableRunnersRequest): Observable<ListAvailableRunnersResponse> {
    return defer(() => {
      const { runnerGroupId, gpuType, view, architecture, serviceVisibility } = request;
      checkEnum('view', view, RunnerView);
      checkEnum('service_visibility', serviceVisibility, Visibility);
      const isWanted =
        gpuType === '' &&
        (runnerGroupId === '' || runnerGroupId === runner.runnerGroupId) &&
        (architecture === '' || architecture === hostArchitecture) &&
        (serviceVisibility === Visibility.VISIBILITY_UNSPECIFIED ||
          this.#visibilities.includes(serviceVisibility));
      const isFull = view === RunnerView.RUNNER_VIEW_FULL;
      const runners = isWanted ? [this.#runner(isFull)] : [];
      const { items, nextPageToken } = pageOf(runners, request, () => 1);
      return of({ runners: [...items], nextPageToken });
    });
  }

  get({ runnerId, view }: GetAvailableRunnerRequest): Observable<AvailableRunner> {
    return defer(() => {
      checkEnum('view', view, RunnerView);
      if (runnerId !== runner.runnerId) throw noSuchRunner(runnerId);
      return of(this.#runner(view !== RunnerView.RUNNER_VIEW_BASIC));
    });
  }

  #runner(isFull: boolean): AvailableRunner {
    const live = this.#sandboxes.all.filter(({ record }) => record.phase === 'running');
    const resources = RunnerResourceSummary.fromPartial({ runningSandboxes: live.length });
    return AvailableRunner.fromPartial({
      ...runner,
      healthy: true,
      connectedAt: toTimestamp(this.#sinceMs),
      capabilities: {
        supportedArchitectures: [hostArchitecture],
        supportedServiceVisibilities: [...this.#visibilities],
      },
      ...(isFull && { resources }),
    });
  }
}

const hostArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

function noSuchRunner(runnerId: string): SandboxNotFoundError {
  return new SandboxNotFoundError(`there is no runner ${runnerId}`, {
    remote: { grpcCode: GrpcCode.NOT_FOUND, reason: Reason.runnerNotFound },
  });
}
