import {
  AsyncSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  endWith,
  Subject,
  Subscription,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import { SandboxNotFoundError, SandboxValidationError } from '../process/errors/errors.js';
import { newId } from '../process/new-id.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { refuseServices } from '../sandbox/refuse-services.js';
import type { SandboxSpec } from '../sandbox/sandbox-spec.js';
import {
  CreateSandboxRequest,
  Sandbox,
  type FileMount,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredSandbox } from '../wire/generated/sandboxrx/store/v1/store.js';
import { checkRoom, type Count, type HostLimits } from './limits.js';
import type { HostSandbox } from './host-sandbox.js';
import { Removal, removed } from './removal.js';
import { SandboxLives, type SandboxEnd } from './sandbox-lives.js';
import { SandboxRecord } from './sandbox-record.js';
import { backendEnds, type BackendEnd } from './watches/backend-ends.js';
import { SandboxFeed } from './watches/sandbox-feed.js';

/** How a host keeps its sandboxes. */
export interface SandboxesConfig {
  /** How long an ended sandbox can still be asked for, in milliseconds. */
  readonly retentionMs: number;
  /** How much of a main command's output is kept. */
  readonly logBytes: number;
  readonly limits: HostLimits;
}

/** A sandbox that is asked for. */
export interface NewSandbox {
  /** Chosen by the caller, or empty. */
  readonly id: string;
  /** As it was asked for, to be told again. */
  readonly request: CreateSandboxRequest;
  /** As a backend takes it. */
  readonly spec: SandboxSpec;
  readonly files: readonly FileMount[];
  /** The name of the token of whoever asks. */
  readonly owner: string | undefined;
}

/** A sandbox that its backend could not remove. */
export interface UnremovedSandbox {
  readonly sandbox: HostSandbox;
  readonly error: unknown;
}

/** The sandboxes of a host, from their creation to the end of their retention. They belong to no call. */
export class Sandboxes {
  /** For those who watch them all. */
  readonly feed: SandboxFeed = new SandboxFeed();
  readonly #backend: SandboxBackend;
  readonly #config: SandboxesConfig;
  readonly #byId: Map<string, HostSandbox> = new Map();
  readonly #lives: SandboxLives;
  readonly #waiting = new Subscription();
  readonly #created: Subject<HostSandbox> = new Subject();
  readonly #unremoved: Subject<UnremovedSandbox> = new Subject();
  #count = 0;

  constructor(backend: SandboxBackend, config: SandboxesConfig) {
    this.#backend = backend;
    this.#config = config;
    this.#lives = new SandboxLives(backend, {
      ended: (sandbox) => {
        this.#retire(sandbox);
      },
      unremoved: (sandbox, error) => {
        this.#unremoved.next({ sandbox, error });
      },
    });
    this.#waiting.add(
      backendEnds(backend, () => this.#runningIds()).subscribe({
        next: (end) => {
          this.#heardOf(end);
        },
        error: ignore,
      }),
    );
  }

  /** Oldest first. */
  get all(): readonly HostSandbox[] {
    return [...this.#byId.values()];
  }

  /** Tells each sandbox when it begins to be made. */
  get created$(): Observable<HostSandbox> {
    return this.#created;
  }

  /** Tells each time that a sandbox could not be removed. */
  get unremoved$(): Observable<UnremovedSandbox> {
    return this.#unremoved;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** @throws SandboxNotFoundError */
  get(id: string): HostSandbox {
    const sandbox = this.#byId.get(id);
    if (sandbox !== undefined) return sandbox;
    throw new SandboxNotFoundError(`there is no sandbox ${id}`, { sandboxId: id });
  }

  /** The id on the backend of a sandbox in which something can be run. */
  running(id: string, container = ''): string {
    const { record, backendId } = this.get(id);
    record.assertRunning();
    record.assertContainer(container);
    return backendId ?? '';
  }

  /**
   * Begins to make a sandbox.
   *
   * @throws SandboxValidationError where there is one with this id
   * @throws SandboxError with code `ERR_RESOURCE_EXHAUSTED` where there are as many as there may be
   * @throws UnsupportedError where it would have services, and the backend has none
   */
  create({ id: wanted, request, spec, files, owner }: NewSandbox): HostSandbox {
    refuseServices(this.#backend, spec);
    this.#checkRoom(owner);
    const id = wanted === '' ? `sb-${newId().slice(0, 13)}` : wanted;
    if (this.#byId.has(id)) {
      const text = `there is a sandbox ${id} already; choose another id`;
      throw new SandboxValidationError(text, { sandboxId: id });
    }
    const asked = { ...(request.sandbox ?? Sandbox.create()), status: undefined };
    const sandbox = this.#sandboxOf(id, { number: this.#count + 1, asked, request, owner });
    this.#byId.set(id, sandbox);
    this.feed.follow(sandbox);
    this.#created.next(sandbox);
    this.#lives.begin(sandbox, { spec, files });
    return sandbox;
  }

  /** Takes over the record of a sandbox that a host before this one had. What may be left of it is removed. */
  restore({ sandbox: asked, number, owner, backendId, request }: StoredSandbox): HostSandbox {
    const sandbox = this.#sandboxOf(asked?.sandboxId ?? '', {
      ...{ number: Number(number), owner: owner === '' ? undefined : owner },
      ...{ asked: asked ?? Sandbox.create(), request: request ?? CreateSandboxRequest.create() },
    });
    this.#byId.set(sandbox.record.id, sandbox);
    this.feed.follow(sandbox);
    if (backendId !== '') sandbox.backendId = backendId;
    sandbox.mainOver.complete();
    this.#lives.remove(sandbox);
    return sandbox;
  }

  /** Ends a sandbox, as it is to be ended; one that could not be removed, once more. */
  end(sandbox: HostSandbox, how: SandboxEnd): void {
    this.#lives.end(sandbox, how);
  }

  /** Forgets an ended sandbox. */
  remove(sandbox: HostSandbox): void {
    const { id } = sandbox.record;
    // Another one may have been given its id.
    if (this.#byId.get(id) === sandbox) this.#byId.delete(id);
    sandbox.forgotten.complete();
  }

  /** Ends all sandboxes; completes when nothing is left, or what is cannot be removed now. */
  close(): Observable<never> {
    this.#waiting.unsubscribe();
    const ends = this.all.map((sandbox) => {
      this.end(sandbox, { graceMs: 0 });
      return removed(sandbox).pipe(catchError(() => EMPTY));
    });
    const rest$ = defer(() => {
      this.#lives.close();
      return EMPTY;
    });
    return concat(...ends, rest$);
  }

  #sandboxOf(
    id: string,
    {
      number,
      asked,
      request,
      owner,
    }: Pick<HostSandbox, 'owner' | 'request'> & {
      readonly number: number;
      readonly asked: Sandbox;
    },
  ): HostSandbox {
    this.#count = Math.max(this.#count, number);
    const { logBytes } = this.#config;
    return {
      ...{ record: new SandboxRecord(id, { number, asked, logBytes }), owner, request },
      ...{ backendId: undefined, ending: undefined, life: new Subscription() },
      ...{ ready: new AsyncSubject(), removal: new Removal(), gone: new AsyncSubject() },
      ...{ mainOver: new AsyncSubject(), forgotten: new AsyncSubject() },
    };
  }

  #checkRoom(owner: string | undefined): void {
    const { maxSandboxes: max, maxSandboxesPerToken: maxPerToken } = this.#config.limits;
    const live = this.all.filter(({ record }) => record.phase !== 'over');
    const count: Count = (whose) =>
      live.filter((sandbox) => whose === 'all' || sandbox.owner === owner).length;
    checkRoom('sandboxes', count, { max, maxPerToken });
  }

  /** The ids on the backend of those in which something can be run. */
  #runningIds(): readonly string[] {
    return this.all.flatMap(({ record, backendId = [] }) =>
      record.phase === 'running' ? backendId : [],
    );
  }

  #heardOf({ id, reason }: BackendEnd): void {
    const sandbox = this.all.find(({ backendId }) => backendId === id);
    if (sandbox !== undefined) this.#lives.over(sandbox, 'stopped', reason);
  }

  /** Keeps the record of an ended sandbox for a while. */
  #retire(sandbox: HostSandbox): void {
    const { endedAtMs = Date.now() } = sandbox.record;
    const leftMs = Math.max(0, endedAtMs + this.#config.retentionMs - Date.now());
    const forgotten$ = sandbox.forgotten.pipe(endWith(undefined));
    this.#waiting.add(
      timer(leftMs)
        .pipe(takeUntil(forgotten$))
        .subscribe({
          next: () => {
            this.remove(sandbox);
          },
          error: ignore,
        }),
    );
  }
}

function ignore(): void {
  // Nobody waits for it.
}
