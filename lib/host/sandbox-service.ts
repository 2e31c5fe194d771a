import { concat, defer, EMPTY, from, ignoreElements, of, type Observable } from 'rxjs';
import { SandboxValidationError, UnsupportedError } from '../process/errors/errors.js';
import { checkSpec } from '../sandbox/sandbox-spec.js';
import { Extension } from '../wire/extension.js';
import {
  DeleteSandboxResponse,
  SandboxSpec as SandboxSpecMessage,
  State,
  type CreateSandboxRequest,
  type DeleteSandboxRequest,
  type ListSandboxesRequest,
  type ListSandboxesResponse,
  type PurgeSandboxesRequest,
  type PurgeSandboxesResponse,
  type Sandbox,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSandbox } from '../wire/generated/sandboxrx/store/v1/store.js';
import { SandboxOptions } from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { specOf } from '../wire/sandbox-request.js';
import { isTerminal } from '../wire/sandbox-state.js';
import type { CallContext } from './call.js';
import { checkSpecMessage, noSnapshots } from './check-request.js';
import { Creations } from './creations.js';
import { pageOf } from './pages.js';
import { runner } from './runner.js';
import type { HostSandbox } from './host-sandbox.js';
import type { Sandboxes } from './sandboxes.js';
import type { Journal } from './store/journal.js';

const maxGraceSeconds = 300;

/** The unary calls of SandboxService. */
export class SandboxService {
  readonly #sandboxes: Sandboxes;
  readonly #journal: Journal;
  readonly #creations = new Creations();

  constructor(sandboxes: Sandboxes, journal: Journal) {
    this.#sandboxes = sandboxes;
    this.#journal = journal;
  }

  /** Takes over what a host before this one had. */
  restore(stored: readonly StoredSandbox[]): void {
    for (const one of stored) {
      const sandbox = this.#sandboxes.restore(one);
      this.#creations.remember(sandbox);
      this.#journal.follow(sandbox);
    }
  }

  create(request: CreateSandboxRequest, context: CallContext): Observable<Sandbox> {
    const { metadata, caller } = context;
    return defer(() => {
      const create = (): HostSandbox => this.#created(request, context);
      const sandbox = this.#creations.once(request, caller, create);
      const answer$ = defer(() => of(this.#message(sandbox)));
      const written$ = from(this.#journal.written(sandbox)).pipe(ignoreElements());
      const ready$ = metadata[Extension.settle] === undefined ? EMPTY : ready(sandbox);
      return concat(written$, ready$, answer$);
    });
  }

  get({ sandboxId }: { readonly sandboxId: string }): Observable<Sandbox> {
    return defer(() => of(this.#message(this.#sandboxes.get(sandboxId))));
  }

  list(request: ListSandboxesRequest): Observable<ListSandboxesResponse> {
    return defer(() => {
      const wanted = this.#sandboxes.all.filter((sandbox) => this.#isListed(sandbox, request));
      const { items, nextPageToken } = pageOf(wanted, request, ({ record }) => record.number);
      return of({ sandboxes: items.map((sandbox) => this.#message(sandbox)), nextPageToken });
    });
  }

  delete(
    request: DeleteSandboxRequest,
    { metadata }: CallContext,
  ): Observable<DeleteSandboxResponse> {
    return defer(() => {
      const { sandboxId, allowMissing, gracePeriodSeconds, snapshotVolumes } = request;
      if (gracePeriodSeconds < 0)
        throw new SandboxValidationError('grace_period_seconds: negative');
      if (snapshotVolumes.length > 0) throw noSnapshots();
      if (allowMissing && !this.#sandboxes.has(sandboxId))
        return of(DeleteSandboxResponse.create());
      const sandbox = this.#sandboxes.get(sandboxId);
      const graceMs = Math.min(gracePeriodSeconds, maxGraceSeconds) * 1000;
      const gone$ = this.#sandboxes.end(sandbox, graceMs);
      const answer$ = defer(() =>
        of(DeleteSandboxResponse.fromPartial({ sandbox: this.#message(sandbox) })),
      );
      if (metadata[Extension.settle] === undefined) return answer$;
      const forgotten$ = defer(() => {
        this.#sandboxes.remove(sandbox);
        return answer$;
      });
      return concat(gone$.pipe(ignoreElements()), forgotten$);
    });
  }

  purge(request: PurgeSandboxesRequest): Observable<PurgeSandboxesResponse> {
    return defer(() => {
      const { tags, purgeAll, dryRun, requestId } = request;
      if (requestId !== '')
        throw new UnsupportedError('requestId', 'PurgeSandboxes takes no request_id');
      if (tags.length > 0 === purgeAll) {
        throw new SandboxValidationError('tags: give either these or purge_all');
      }
      const active = this.#sandboxes.all.filter(
        ({ record }) =>
          record.phase !== 'over' && tags.every((tag) => record.spec.tags.includes(tag)),
      );
      if (!dryRun) for (const sandbox of active) void this.#sandboxes.end(sandbox, 0);
      return of({
        purgeCount: active.length,
        failedSandboxIds: [],
        retryableFailedSandboxIds: [],
      });
    });
  }

  #created(request: CreateSandboxRequest, { metadata, caller }: CallContext): HostSandbox {
    const message = request.sandbox?.spec ?? SandboxSpecMessage.create();
    checkSpecMessage(message);
    const bytes = metadata[Extension.sandbox];
    const options =
      bytes instanceof Uint8Array ? SandboxOptions.decode(bytes) : SandboxOptions.create();
    const spec = specOf(message, options);
    checkSpec(spec);
    const files = message.containers[0]?.files ?? [];
    return this.#sandboxes.create({ id: options.sandboxId, request, spec, files, owner: caller });
  }

  #isListed({ record }: HostSandbox, request: ListSandboxesRequest): boolean {
    const { tags, state, showTerminated, runnerIds } = request;
    const { state: now } = record.state;
    const wantsState = state !== State.STATE_UNSPECIFIED;
    if (wantsState && now !== state) return false;
    if (!wantsState && !showTerminated && isTerminal(now)) return false;
    if (runnerIds.length > 0 && !runnerIds.includes(runner.runnerId)) return false;
    return tags.every((tag) => record.spec.tags.includes(tag));
  }

  #message({ record }: HostSandbox): Sandbox {
    return record.message(runner);
  }
}

/** Emits nothing; completes when it runs, and errors where it could not be made. */
function ready({ ready: ready$ }: HostSandbox): Observable<never> {
  return ready$.pipe(ignoreElements());
}
