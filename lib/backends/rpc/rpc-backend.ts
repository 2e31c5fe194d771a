import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { UnsupportedError } from '../../process/errors/errors.js';
import { newId } from '../../process/new-id.js';
import type { OutputEvent, ProcessEvent } from '../../process/process-event.js';
import type {
  AttachRequest,
  BackendFiles,
  BackendProcesses,
  BackendSnapshots,
  Capabilities,
  ExecRequest,
  LogsRequest,
  SandboxBackend,
  SignalRequest,
} from '../../sandbox/backend.js';
import {
  matches,
  type SandboxFilter,
  type SandboxInfo,
  type SandboxSpec,
} from '../../sandbox/sandbox-spec.js';
import { Extension } from '../../wire/extension.js';
import { State, type Sandbox } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { SandboxOptions } from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { sandboxRequestOf } from '../../wire/sandbox-request.js';
import { infoOf, isReady, isTerminal, lacksExit } from '../../wire/sandbox-state.js';
import { notFound, notMade, unlessGone } from './gone.js';
import { RpcRunners, type Runners } from './runners.js';
import { RpcTemplates, type Templates } from './templates.js';
import { RpcTokens, type Tokens } from './tokens.js';
import { createSandboxFromTemplate } from './methods.js';
import { Recently } from '../../process/recently.js';
import { rpcFiles } from './rpc-files.js';
import { neverStarted } from './runs/never-started.js';
import { RpcRuns } from './runs/rpc-runs.js';
import { RpcSnapshots } from './rpc-snapshots.js';
import { streamedLogs } from './streamed-logs.js';
import type { Answer, RpcTransport } from './rpc-transport.js';
import { SandboxCalls } from './sandbox-calls.js';
import { undoable } from './undoable.js';
import type { ListedSandbox } from './watches/polled-sandboxes.js';
import { RpcProcesses } from './watches/rpc-processes.js';
import { sandboxChanges } from './watches/sandbox-changes.js';
import { SandboxWatch } from './watches/sandbox-watch.js';

/** How an rpc backend behaves, on any transport. */
export interface RpcBackendConfig {
  /** The image of sandboxes. */
  readonly image: string;
  /** Until which a call has to be answered. */
  readonly requestTimeoutMs: number;
  /** How long a server that cannot be reached is asked again how a sandbox stands. */
  readonly retryBudgetMs: number;
  /** From one look at all sandboxes to the next, as long as somebody watches them. */
  readonly watchIntervalMs: number;
}

/** How long the main command of a sandbox that is stopped may take to end itself. */
const stopGraceSeconds = 10;

/** Sandboxes of a server that speaks coreweave.sandbox.v1. */
export class RpcBackend implements SandboxBackend {
  readonly name: string;
  readonly capabilities: Capabilities = {
    tty: true,
    signals: true,
    attach: true,
    processes: true,
    files: true,
    snapshots: true,
    services: true,
    logOptions: true,
    backpressure: true,
    isolation: true,
  };
  readonly processes: BackendProcesses;
  readonly files: BackendFiles;
  readonly snapshots: BackendSnapshots;
  readonly runners: Runners;
  readonly templates: Templates;
  readonly tokens: Tokens;
  readonly #transport: RpcTransport;
  readonly #calls: SandboxCalls;
  readonly #runs: RpcRuns;
  readonly #image: string;
  readonly #watch: SandboxWatch;
  /** Deleted by this client. The server keeps telling of them. */
  readonly #deleted = new Recently();

  constructor(transport: RpcTransport, config: RpcBackendConfig) {
    this.name = transport.name;
    this.#transport = transport;
    this.#calls = new SandboxCalls(transport, config);
    this.#runs = new RpcRuns(transport, config);
    this.#image = config.image;
    const { requestTimeoutMs: timeoutMs, watchIntervalMs: intervalMs, retryBudgetMs } = config;
    this.#watch = new SandboxWatch({
      ...{ list$: this.#listed([]), intervalMs, retryBudgetMs },
      changes: (opening) => sandboxChanges(transport, retryBudgetMs, opening),
    });
    this.processes = new RpcProcesses(transport, config);
    this.snapshots = new RpcSnapshots(transport, config);
    this.files = rpcFiles(transport, {
      timeoutMs: config.requestTimeoutMs,
      exec$: (request) => this.exec(request),
    });
    this.runners = new RpcRunners(transport, timeoutMs);
    this.tokens = new RpcTokens(transport, timeoutMs);
    this.templates = new RpcTemplates(transport, {
      ...{ timeoutMs, retryBudgetMs, image: config.image },
      make: (request) =>
        this.#made(() =>
          this.#calls.creating(createSandboxFromTemplate, request(), { metadata: settled }),
        ),
    });
  }

  create(spec: SandboxSpec): Observable<SandboxInfo> {
    const { request, options, needsOptions } = sandboxRequestOf(spec, {
      image: this.#image,
      requestId: '',
    });
    const metadata = { ...settled, [Extension.sandbox]: SandboxOptions.encode(options).finish() };
    return this.#made(
      () => this.#calls.create({ ...request, requestId: newId() }, metadata),
      needsOptions,
    );
  }

  get(sandboxId: string): Observable<SandboxInfo> {
    return defer(() =>
      this.#deleted.has(sandboxId)
        ? throwError(() => notFound(sandboxId))
        : this.#learned(this.#calls.get(sandboxId)),
    );
  }

  list(wanted: SandboxFilter): Observable<SandboxInfo> {
    return this.#listed(wanted.tags ?? []).pipe(
      map(({ info }) => info),
      filter((info) => matches(info, wanted)),
    );
  }

  watch(wanted: SandboxFilter, listed?: () => void): Observable<SandboxInfo> {
    return this.#watch.watch(wanted, listed);
  }

  stop(sandboxId: string): Observable<SandboxInfo> {
    return this.#calls.end(sandboxId, { graceSeconds: stopGraceSeconds }).pipe(
      mergeMap((ending) => {
        // Somebody may delete it as soon as it is stopped.
        const asStopped$ = of<SandboxInfo>({ ...infoOf(ending), status: 'stopped' });
        return this.#learned(this.#calls.poll(sandboxId, isTerminal)).pipe(unlessGone(asStopped$));
      }),
    );
  }

  delete(sandboxId: string): Observable<never> {
    return defer(() => {
      if (this.#deleted.has(sandboxId)) return throwError(() => notFound(sandboxId));
      return concat(
        this.#calls
          .end(sandboxId, { graceSeconds: 0, metadata: { [Extension.settle]: 'delete' } })
          .pipe(ignoreElements()),
        this.#calls.poll(sandboxId, isTerminal).pipe(
          tap(() => {
            this.#deleted.add(sandboxId);
          }),
          ignoreElements(),
          unlessGone<never>(EMPTY),
        ),
        defer(() => {
          this.#watch.forget(sandboxId);
          return EMPTY;
        }),
      );
    });
  }

  exec(request: ExecRequest): Observable<ProcessEvent> {
    return defer(() =>
      this.#deleted.has(request.sandboxId)
        ? neverStarted(notFound(request.sandboxId), request.lifecycle)
        : this.#runs.exec(request),
    );
  }

  attach(request: AttachRequest): Observable<ProcessEvent> {
    return this.#runs.attach(request);
  }

  signal(request: SignalRequest): Observable<never> {
    return this.#runs.signal(request);
  }

  logs(request: LogsRequest): Observable<OutputEvent> {
    return streamedLogs(this.#transport, request);
  }

  /** Oldest first. */
  #listed(tags: readonly string[]): Observable<ListedSandbox> {
    return this.#calls.list(tags).pipe(
      filter(({ sandboxId }) => !this.#deleted.has(sandboxId)),
      map((sandbox) => ({ info: infoOf(sandbox), lacksExit: lacksExit(sandbox) })),
      toArray(),
      // A server may list them in any order.
      concatMap((listed) => listed.sort((a, b) => a.info.createdAtMs - b.info.createdAtMs)),
    );
  }

  #learned(sandbox$: Observable<Sandbox>): Observable<SandboxInfo> {
    return sandbox$.pipe(
      map(infoOf),
      tap((info) => {
        this.#watch.learn(info);
      }),
    );
  }

  /** Asks for a sandbox by a call that is made for each subscription, and waits until it is ready. */
  #made(
    creation: () => Observable<Answer<Sandbox>>,
    needsOptions = false,
  ): Observable<SandboxInfo> {
    const made = (created: (id: string) => void): Observable<SandboxInfo> =>
      defer(creation).pipe(
        mergeMap(({ message, metadata: answered }) => {
          const { sandboxId, status } = message;
          created(sandboxId);
          // A host of ours has waited until it ran, and says by an error that it could not be made.
          if (Extension.mark in answered) return of(infoOf(message));
          if (needsOptions) return this.#undone(sandboxId);
          return isReady(status?.state ?? State.STATE_UNSPECIFIED)
            ? of(infoOf(message))
            : this.#begun(sandboxId);
        }),
      );
    return undoable(made, (id) => this.delete(id)).pipe(
      tap((info) => {
        // Its id may be that of one before it.
        this.#deleted.delete(info.id);
        this.#watch.learn(info);
      }),
    );
  }

  #begun(sandboxId: string): Observable<SandboxInfo> {
    return this.#calls
      .poll(sandboxId, (state) => isReady(state) || isTerminal(state))
      .pipe(
        map(infoOf),
        tap((info) => {
          // With an exit status it ran, and ended; without one, it never did.
          if (info.status === 'failed' && info.returncode === undefined) throw notMade(info);
        }),
      );
  }

  #undone(sandboxId: string): Observable<never> {
    return concat(
      this.delete(sandboxId),
      throwError(() => new UnsupportedError('sandboxOptions', lackedOptions)),
    );
  }
}

/** To be answered when it runs, by a host of ours. */
const settled = { [Extension.settle]: 'create' };

const lackedOptions =
  'the server cannot choose an id or limit processes, files, CPU time or the home of a sandbox; leave them out';
