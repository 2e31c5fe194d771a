import {
  catchError,
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { UnsupportedError } from '../process/errors/errors.js';
import { checkSpec } from '../sandbox/sandbox-spec.js';
import { Extension } from '../wire/extension.js';
import {
  CreateSandboxRequest,
  DeleteSandboxResponse,
  SandboxSpec as SandboxSpecMessage,
  State,
  type DeleteSandboxRequest,
  type ListSandboxesRequest,
  type ListSandboxesResponse,
  type PurgeSandboxesRequest,
  type PurgeSandboxesResponse,
  Sandbox as SandboxMessage,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSandbox } from '../wire/generated/sandboxrx/store/v1/store.js';
import { SandboxOptions } from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { specOf } from '../wire/sandbox-request.js';
import { isTerminal } from '../wire/sandbox-state.js';
import { sees } from './auth/scope.js';
import { badField, checkEnum, checkField } from './bad-field.js';
import type { CallContext } from './call.js';
import { checkSpecMessage } from './check-request.js';
import { Creations } from './creations.js';
import { fitted, pageOf } from './pages.js';
import { readOptions } from './read-options.js';
import { removed } from './removal.js';
import { runner } from './runner.js';
import type { HostSandbox } from './host-sandbox.js';
import type { Sandboxes } from './sandboxes.js';
import type { Endings } from './snapshots/endings.js';
import type { Snapshots } from './snapshots/snapshots.js';
import type { Journal } from './store/journal.js';

const maxGraceSeconds = 300;

/** What the service is made of. */
export interface SandboxParts {
  readonly sandboxes: Sandboxes;
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  readonly endings: Endings;
}

/** The unary calls of SandboxService about sandboxes. */
export class SandboxService {
  readonly #sandboxes: Sandboxes;
  readonly #journal: Journal;
  readonly #snapshots: Snapshots;
  readonly #endings: Endings;
  readonly #creations: Creations<CreateSandboxRequest, HostSandbox> = new Creations(
    CreateSandboxRequest,
  );

  constructor({ sandboxes, journal, snapshots, endings }: SandboxParts) {
    this.#sandboxes = sandboxes;
    this.#journal = journal;
    this.#snapshots = snapshots;
    this.#endings = endings;
  }

  /** Takes over what a host before this one had. */
  restore(stored: readonly StoredSandbox[]): void {
    for (const one of stored) {
      const sandbox = this.#sandboxes.restore(one);
      this.#creations.remember(sandbox);
      if (one.ending !== undefined) this.#endings.restore(sandbox, one.ending);
      this.#journal.follow(sandbox);
    }
  }

  /** What only a host says of a sandbox, such as the template that it was made of, is no caller's to say. */
  create(
    { sandbox, requestId }: CreateSandboxRequest,
    context: CallContext,
  ): Observable<SandboxMessage> {
    const asked = SandboxMessage.create();
    asked.spec = sandbox?.spec;
    return this.make({ sandbox: asked, requestId }, context);
  }

  /** Makes a sandbox, and says where it comes from. */
  make(request: CreateSandboxRequest, context: CallContext): Observable<SandboxMessage> {
    const { metadata, caller } = context;
    return defer(() => {
      const create = (): HostSandbox => this.#created(request, context);
      const sandbox = this.#creations.once(request, caller, create);
      const answer$ = defer(() => of(this.#message(sandbox)));
      const written$ = from(this.#journal.written(sandbox)).pipe(ignoreElements());
      const ready$ = metadata[Extension.settle] === undefined ? EMPTY : this.#ready(sandbox);
      return concat(written$, ready$, answer$);
    });
  }

  get({ sandboxId }: { readonly sandboxId: string }): Observable<SandboxMessage> {
    return defer(() => of(this.#message(this.#sandboxes.get(sandboxId))));
  }

  list(request: ListSandboxesRequest, context: CallContext): Observable<ListSandboxesResponse> {
    return defer(() => {
      checkEnum('state', request.state, State);
      const numberOf = ({ record }: HostSandbox): number => record.number;
      const sizeOf = (sandbox: HostSandbox): number =>
        SandboxMessage.encode(this.#message(sandbox)).finish().length;
      const wanted = this.#sandboxes.all.filter(
        (sandbox) => sees(context, sandbox.record.id) && this.#isListed(sandbox, request),
      );
      const page = fitted(pageOf(wanted, request, numberOf), sizeOf, numberOf);
      const sandboxes = page.items.map((sandbox) => this.#message(sandbox));
      return of({ sandboxes, nextPageToken: page.nextPageToken });
    });
  }

  delete(
    request: DeleteSandboxRequest,
    { metadata, caller }: CallContext,
  ): Observable<DeleteSandboxResponse> {
    return defer(() => {
      const { sandboxId, allowMissing, gracePeriodSeconds } = request;
      if (gracePeriodSeconds < 0) throw badField('grace_period_seconds', 'it must not be negative');
      if (allowMissing && !this.#sandboxes.has(sandboxId))
        return of(DeleteSandboxResponse.create());
      const sandbox = this.#sandboxes.get(sandboxId);
      const fileSystemSnapshotIds = this.#ended(sandbox, request, caller);
      const answer$ = defer(() =>
        of(
          DeleteSandboxResponse.fromPartial({
            sandbox: this.#message(sandbox),
            fileSystemSnapshotIds,
          }),
        ),
      );
      if (metadata[Extension.settle] === undefined) {
        return concat(this.#endings.written(sandbox, fileSystemSnapshotIds), answer$);
      }
      const forgotten$ = defer(() => {
        this.#sandboxes.remove(sandbox);
        return answer$;
      });
      return concat(removed(sandbox), forgotten$);
    });
  }

  /** Of the caller's own sandboxes; an admin's reach is that of all. */
  purge(
    request: PurgeSandboxesRequest,
    { caller, isAdmin }: CallContext,
  ): Observable<PurgeSandboxesResponse> {
    return defer(() => {
      const { tags, purgeAll, dryRun, requestId } = request;
      if (requestId !== '')
        throw new UnsupportedError('requestId', 'PurgeSandboxes takes no request_id');
      if (tags.length > 0 === purgeAll) {
        throw badField('tags', 'give either these or purge_all');
      }
      const active = this.#sandboxes.all.filter(
        ({ record, owner }) =>
          record.phase !== 'over' &&
          (isAdmin || owner === caller) &&
          tags.every((tag) => record.spec.tags.includes(tag)),
      );
      if (!dryRun) for (const sandbox of active) this.#sandboxes.end(sandbox, { graceMs: 0 });
      return of({
        purgeCount: active.length,
        failedSandboxIds: [],
        retryableFailedSandboxIds: [],
      });
    });
  }

  /** Begins to end a sandbox; gives the ids of the snapshots that it leaves. */
  #ended(sandbox: HostSandbox, request: DeleteSandboxRequest, owner: string | undefined): string[] {
    const graceMs = Math.min(request.gracePeriodSeconds, maxGraceSeconds) * 1000;
    if (request.snapshotVolumes.length === 0) {
      this.#sandboxes.end(sandbox, { graceMs });
      return [];
    }
    return [...this.#endings.begin(request, { owner, graceMs }).snapshotIds];
  }

  #created(request: CreateSandboxRequest, { metadata, caller }: CallContext): HostSandbox {
    const message = request.sandbox?.spec ?? SandboxSpecMessage.create();
    checkSpecMessage(message);
    const options = readOptions(metadata, Extension.sandbox, SandboxOptions);
    const spec = this.#snapshots.restoring(specOf(message, options));
    checkField('sandbox.spec', () => {
      checkSpec(spec);
    });
    const files = message.containers[0]?.files ?? [];
    return this.#sandboxes.create({ id: options.sandboxId, request, spec, files, owner: caller });
  }

  /**
   * Emits nothing; completes when it runs, and errors where it could not be made: then no record is left, but of what could
   * not be removed.
   */
  #ready(sandbox: HostSandbox): Observable<never> {
    const failed$ = (error: unknown): Observable<never> =>
      concat(
        removed(sandbox).pipe(catchError(() => throwError(() => error))),
        defer(() => {
          this.#sandboxes.remove(sandbox);
          return throwError(() => error);
        }),
      );
    return sandbox.ready.pipe(ignoreElements(), catchError(failed$));
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

  #message({ record }: HostSandbox): SandboxMessage {
    return record.message(runner);
  }
}
