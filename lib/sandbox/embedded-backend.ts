import {
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  NEVER,
  Observable,
  of,
  takeUntil,
} from 'rxjs';
import { messageOf } from '../process/errors/message-of.js';
import { newId } from '../process/new-id.js';
import type { OutputEvent, ProcessEvent } from '../process/process-event.js';
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
} from './backend.js';
import { leaveStdin } from './leave-stdin.js';
import { lifetime } from './lifetime.js';
import { NoSnapshots } from './no-snapshots.js';
import { plainRun } from './plain-run.js';
import { refuseLogOptions } from './refuse-log-options.js';
import { refuseServices } from './refuse-services.js';
import type { EngineFiles, EngineSnapshots, SandboxEngine } from './sandbox-engine.js';
import type { SandboxFilter, SandboxInfo, SandboxSpec } from './sandbox-spec.js';
import { SandboxRegistry, unlessOver, type SandboxEntry } from './sandbox-registry.js';
import { chosenVolume } from './volumes.js';

/**
 * A backend whose sandboxes live in this program: it keeps the books (ids, status, runs to attach to, the main command
 * and its logs, lifetimes), and an engine does the rest.
 */
export class EmbeddedBackend<Box> implements SandboxBackend {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly processes: BackendProcesses;
  readonly files: BackendFiles;
  readonly snapshots: BackendSnapshots;
  readonly #engine: SandboxEngine<Box>;
  readonly #sandboxes: SandboxRegistry<Box> = new SandboxRegistry();

  constructor(engine: SandboxEngine<Box>) {
    this.name = engine.name;
    this.capabilities = { ...engine.capabilities, logOptions: false };
    this.#engine = engine;
    this.processes = this.#processesOf();
    this.files = this.#filesOf(engine.files);
    this.snapshots = this.#snapshotsOf(engine.snapshots);
  }

  create(spec: SandboxSpec): Observable<SandboxInfo> {
    return defer(() => {
      if (this.snapshots instanceof NoSnapshots) this.snapshots.refuseVolumes(spec);
      refuseServices(this, spec);
      const id = spec.id ?? `sb-${newId().slice(0, 13)}`;
      this.#sandboxes.reserve(id);
      return this.#engine.open(id, spec).pipe(
        map((box) => this.#opened(id, spec, box)),
        finalize(() => {
          this.#sandboxes.release(id);
        }),
      );
    });
  }

  get(sandboxId: string): Observable<SandboxInfo> {
    return defer(() => of(this.#sandboxes.get(sandboxId).info));
  }

  list(wanted: SandboxFilter): Observable<SandboxInfo> {
    return this.#sandboxes.list(wanted);
  }

  watch(wanted: SandboxFilter, listed?: () => void): Observable<SandboxInfo> {
    return this.#sandboxes.watch(wanted, listed);
  }

  stop(sandboxId: string): Observable<SandboxInfo> {
    return defer(() => {
      const entry = this.#sandboxes.get(sandboxId);
      return concat(
        this.#end(entry, { status: 'stopped', reason: 'it was stopped' }),
        defer(() => of(entry.info)),
      );
    });
  }

  delete(sandboxId: string): Observable<never> {
    return defer(() => {
      const entry = this.#sandboxes.get(sandboxId);
      return concat(
        this.#end(entry, { status: 'stopped', reason: 'it was deleted' }),
        defer(() => {
          this.#sandboxes.remove(entry);
          return EMPTY;
        }),
      );
    });
  }

  exec(request: ExecRequest): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const { id, keep, lifecycle, paused$ } = request;
      let entry: SandboxEntry<Box>;
      try {
        entry = this.#sandboxes.running(request.sandboxId);
      } catch (error) {
        subscriber.error(error);
        lifecycle.closed();
        return;
      }
      const { box, runs, processes } = entry;
      if (runs.has(id)) {
        // Who only attaches has nothing of its own to be closed.
        subscriber.add(lifecycle.closed.bind(lifecycle));
        leaveStdin(request.stdin$);
        runs.attach(id, { lifecycle, paused$ }).subscribe(subscriber);
        return;
      }
      const source = (ties: Pick<ExecRequest, 'lifecycle' | 'paused$'>): Observable<ProcessEvent> =>
        this.#engine.spawn(box, { ...request, ...ties });
      const told = processes.add(request);
      runs.start({ id, keep, lifecycle, paused$, told, source }, subscriber);
    });
  }

  attach({ sandboxId, runId, ...how }: AttachRequest): Observable<ProcessEvent> {
    return defer(() => this.#sandboxes.get(sandboxId).runs.attach(runId, how));
  }

  signal(request: SignalRequest): Observable<never> {
    return defer(() =>
      this.#engine.signal(this.#sandboxes.running(request.sandboxId).box, request),
    );
  }

  logs({ sandboxId, follow, ...options }: LogsRequest): Observable<OutputEvent> {
    return defer(() => {
      refuseLogOptions(this.name, options);
      const { runs, processes } = this.#sandboxes.get(sandboxId);
      if (!runs.has(processes.mainId)) return EMPTY;
      const output$ = runs
        .attach(processes.mainId)
        .pipe(filter((event): event is OutputEvent => event.type !== 'exit'));
      return follow ? output$ : retainedOf(output$);
    });
  }

  #opened(id: string, spec: SandboxSpec, box: Box): SandboxInfo {
    const info: SandboxInfo = {
      id,
      status: 'running',
      tags: spec.tags ?? [],
      createdAtMs: Date.now(),
      ...(spec.services && { services: this.#engine.services?.(box) ?? [] }),
    };
    const entry = this.#sandboxes.add(info, { box, volumes: spec.volumes ?? [] });
    const { lifetimeMs } = spec;
    const ended$ = this.#sandboxes
      .watch({})
      .pipe(filter((now) => now.id === id && now.status !== 'running'));
    merge(
      this.#engine.died(box),
      lifetimeMs === undefined ? NEVER : lifetime(lifetimeMs, this.#engine.scheduler),
    )
      .pipe(takeUntil(ended$))
      .subscribe({
        next: (reason) => {
          this.#endByItself(entry, { status: 'stopped', reason });
        },
        error: (error: unknown) => {
          this.#endByItself(entry, { status: 'stopped', reason: messageOf(error) });
        },
      });
    if (spec.command !== undefined) this.#startMain(entry, spec.command);
    return entry.info;
  }

  #startMain(entry: SandboxEntry<Box>, command: readonly string[]): void {
    const sandboxId = entry.info.id;
    const end = (change: Partial<SandboxInfo>): void => {
      this.#endByItself(entry, change);
    };
    const id = entry.processes.mainId;
    this.exec({ ...plainRun, id, keep: true, sandboxId, command }).subscribe({
      next: (event) => {
        if (event.type !== 'exit') return;
        const { returncode } = event;
        end({
          status: returncode === 0 ? 'completed' : 'failed',
          returncode,
          reason: 'its main command ended',
        });
      },
      error: (error: unknown) => {
        end({ status: 'failed', reason: messageOf(error) });
      },
    });
  }

  /** Nobody waits for this end; where it fails, the sandbox's status says so. */
  #endByItself(entry: SandboxEntry<Box>, change: Partial<SandboxInfo>): void {
    this.#end(entry, change).subscribe({
      error: (error: unknown) => {
        this.#sandboxes.update(entry, { reason: `it could not be ended: ${messageOf(error)}` });
      },
    });
  }

  /** The first reason is the one that counts; who comes later waits until nothing is left. */
  #end(entry: SandboxEntry<Box>, change: Partial<SandboxInfo>): Observable<never> {
    return defer(() => {
      if (entry.info.status === 'running') this.#sandboxes.update(entry, change);
      const closed$ = defer(() => {
        entry.processes.close();
        return EMPTY;
      });
      return concat(this.#engine.close(entry.box), closed$);
    });
  }

  #processesOf(): BackendProcesses {
    return {
      list: (sandboxId) => defer(() => this.#sandboxes.get(sandboxId).processes.list),
      watch: (sandboxId, listed) =>
        defer(() => this.#sandboxes.get(sandboxId).processes.watch(listed)),
    };
  }

  #filesOf(files: EngineFiles<Box>): BackendFiles {
    const asked = <T>(sandboxId: string, answer: (box: Box) => Observable<T>): Observable<T> =>
      defer(() => {
        const entry = this.#sandboxes.running(sandboxId);
        return answer(entry.box).pipe(unlessOver(entry));
      });
    return {
      read: (request) => asked(request.sandboxId, (box) => files.read(box, request)),
      write: (request) => asked(request.sandboxId, (box) => files.write(box, request)),
      list: (request) => asked(request.sandboxId, (box) => files.list(box, request)),
      remove: (request) => asked(request.sandboxId, (box) => files.remove(box, request)),
    };
  }

  #snapshotsOf(snapshots: EngineSnapshots<Box> | NoSnapshots): BackendSnapshots {
    if (snapshots instanceof NoSnapshots) return snapshots;
    return {
      take: ({ sandboxId, volume }) =>
        defer(() => {
          const entry = this.#sandboxes.running(sandboxId);
          const source = { sandboxId, volume: chosenVolume(entry.volumes, volume) };
          return snapshots.take(entry.box, source).pipe(unlessOver(entry));
        }),
      get: (snapshotId) => snapshots.get(snapshotId),
      list: (wanted) => snapshots.list(wanted),
      delete: (snapshotId) => snapshots.delete(snapshotId),
    };
  }
}

/** What `source` emits while it is being subscribed to. */
function retainedOf<T>(source: Observable<T>): Observable<T> {
  return new Observable((subscriber) => {
    source.subscribe(subscriber);
    subscriber.complete();
  });
}
