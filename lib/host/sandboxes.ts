import {
  AsyncSubject,
  concat,
  EMPTY,
  from,
  ignoreElements,
  race,
  Subject,
  Subscription,
  timer,
  type Observable,
} from 'rxjs';
import { SandboxNotFoundError, SandboxValidationError } from '../process/errors/errors.js';
import { newId } from '../process/new-id.js';
import type { ExecRequest, SandboxBackend } from '../sandbox/backend.js';
import { plainRun } from '../sandbox/plain-run.js';
import type { SandboxInfo, SandboxSpec } from '../sandbox/sandbox-spec.js';
import type {
  FileMount,
  SandboxSpec as SandboxSpecMessage,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { checkRoom, type Count, type HostLimits } from './limits.js';
import { SandboxRecord } from './sandbox-record.js';

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
  readonly message: SandboxSpecMessage;
  /** As a backend takes it. */
  readonly spec: SandboxSpec;
  readonly files: readonly FileMount[];
  /** The name of the token of whoever asks. */
  readonly owner: string | undefined;
}

/** A sandbox of the host: its record, and its life on the backend. */
export interface HostSandbox {
  readonly record: SandboxRecord;
  /** The name of the token with which it was made, where the host wants tokens. */
  readonly owner: string | undefined;
  /** Its id on the backend, once it is there. */
  backendId: string | undefined;
  /** Completes when it runs; errors when it could not be made. */
  readonly ready: AsyncSubject<void>;
  /** Completes when nothing of it is left but its record. */
  readonly gone: AsyncSubject<void>;
  /** Completes when the main command is over, or will never be started. */
  readonly mainOver: AsyncSubject<void>;
  /** Completes when it can no longer be asked for. */
  readonly forgotten: AsyncSubject<void>;
  /** What brings it to life; unsubscribing undoes that. */
  readonly life: Subscription;
}

/** The sandboxes of a host, from their creation to the end of their retention. They belong to no call. */
export class Sandboxes {
  readonly #backend: SandboxBackend;
  readonly #config: SandboxesConfig;
  readonly #byId: Map<string, HostSandbox> = new Map();
  readonly #lives = new Subscription();
  readonly #created: Subject<HostSandbox> = new Subject();
  #count = 0;

  constructor(backend: SandboxBackend, config: SandboxesConfig) {
    this.#backend = backend;
    this.#config = config;
    this.#lives.add(
      backend.watch({}).subscribe({
        next: (info) => {
          this.#heardOf(info);
        },
        error: () => undefined,
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
   */
  create({ id: wanted, message, spec, files, owner }: NewSandbox): HostSandbox {
    this.#checkRoom(owner);
    const id = wanted === '' ? `sb-${newId().slice(0, 13)}` : wanted;
    if (this.#byId.has(id)) {
      const text = `there is a sandbox ${id} already; choose another id`;
      throw new SandboxValidationError(text, { sandboxId: id });
    }
    const { logBytes } = this.#config;
    const record = new SandboxRecord(id, { number: ++this.#count, spec: message, logBytes });
    const sandbox: HostSandbox = {
      ...{ record, owner, backendId: undefined, life: new Subscription() },
      ...{ ready: new AsyncSubject(), gone: new AsyncSubject() },
      ...{ mainOver: new AsyncSubject(), forgotten: new AsyncSubject() },
    };
    this.#byId.set(id, sandbox);
    this.#created.next(sandbox);
    const { command, ...bare } = withoutId(spec);
    sandbox.life.add(
      this.#backend.create(bare).subscribe({
        next: (info) => {
          sandbox.backendId = info.id;
          this.#prepare(sandbox, files, command);
        },
        error: (error: unknown) => {
          this.#failed(sandbox, error);
        },
      }),
    );
    return sandbox;
  }

  /** Ends a sandbox; the main command first, where it is given time. Completes when nothing is left. */
  end(sandbox: HostSandbox, graceMs: number): Observable<void> {
    const { record, mainOver } = sandbox;
    const before = record.phase;
    record.ending('stopped', 'it was stopped');
    // Its main command is no longer started.
    if (before === 'creating') mainOver.complete();
    if (before === 'creating' || before === 'running') {
      if (graceMs > 0 && this.#backend.capabilities.signals) {
        this.#askToEnd(sandbox);
        race(timer(graceMs), concat(mainOver, timer(0))).subscribe({
          next: () => {
            this.#close(sandbox);
          },
          error: ignore,
        });
      } else {
        this.#close(sandbox);
      }
    }
    return sandbox.gone;
  }

  /** Forgets an ended sandbox. */
  remove({ record: { id }, forgotten }: HostSandbox): void {
    this.#byId.delete(id);
    forgotten.complete();
  }

  /** Ends all sandboxes; completes when nothing is left. */
  close(): Observable<never> {
    this.#lives.unsubscribe();
    return concat(...this.all.map((sandbox) => this.end(sandbox, 0))).pipe(ignoreElements());
  }

  #checkRoom(owner: string | undefined): void {
    const { maxSandboxes: max, maxSandboxesPerToken: maxPerToken } = this.#config.limits;
    const live = this.all.filter(({ record }) => record.phase !== 'over');
    const count: Count = (whose) =>
      live.filter((sandbox) => whose === 'all' || sandbox.owner === owner).length;
    checkRoom('sandboxes', count, { max, maxPerToken });
  }

  #prepare(
    sandbox: HostSandbox,
    files: readonly FileMount[],
    command: readonly string[] | undefined,
  ): void {
    const { life, record } = sandbox;
    const sandboxId = sandbox.backendId ?? '';
    const written$ = files.map(({ path, content: data }) =>
      this.#backend.files.write({ sandboxId, path, data$: from([{ data, accepted: ignore }]) }),
    );
    life.add(
      concat(...written$).subscribe({
        error: (error: unknown) => {
          this.#failed(sandbox, error);
        },
        complete: () => {
          if (record.phase !== 'creating') return;
          record.started();
          if (command === undefined) {
            record.log.complete();
            sandbox.mainOver.complete();
          } else {
            this.#startMain(sandbox, command);
          }
          sandbox.ready.complete();
        },
      }),
    );
  }

  #startMain(sandbox: HostSandbox, command: readonly string[]): void {
    const { record, mainOver } = sandbox;
    const sandboxId = sandbox.backendId ?? '';
    const request: ExecRequest = { ...plainRun, sandboxId, id: record.mainRunId, command };
    this.#backend.exec(request).subscribe({
      next: (event) => {
        if (event.type !== 'exit') {
          record.log.append(event.data, Date.now());
          return;
        }
        const { returncode } = event;
        record.mainEnded(returncode);
        this.#over(sandbox, returncode === 0 ? 'completed' : 'failed', 'its main command ended');
      },
      error: (error: unknown) => {
        mainOver.complete();
        this.#over(sandbox, 'failed', messageOf(error));
      },
      complete: () => {
        mainOver.complete();
      },
    });
  }

  /** The backend's own news: a sandbox that ended there by itself, or at the end of its lifetime. */
  #heardOf({ id, status, reason = 'it ended' }: SandboxInfo): void {
    if (status === 'running') return;
    const sandbox = this.all.find(({ backendId }) => backendId === id);
    if (sandbox?.record.phase === 'running') this.#over(sandbox, 'stopped', reason);
  }

  #over(sandbox: HostSandbox, status: 'completed' | 'failed' | 'stopped', reason: string): void {
    if (sandbox.record.phase !== 'running') return;
    sandbox.record.ending(status, reason);
    this.#close(sandbox);
  }

  #askToEnd({ backendId = '', record }: HostSandbox): void {
    this.#backend
      .signal({ sandboxId: backendId, runId: record.mainRunId, signal: 'SIGTERM' })
      .subscribe({ error: ignore });
  }

  #failed(sandbox: HostSandbox, error: unknown): void {
    sandbox.record.ending('failed', messageOf(error));
    sandbox.mainOver.complete();
    sandbox.ready.error(error);
    this.#close(sandbox);
  }

  /** Removes it from the backend, and keeps the record for a while. */
  #close(sandbox: HostSandbox): void {
    const { record, backendId, life, mainOver, gone } = sandbox;
    life.unsubscribe();
    sandbox.ready.complete();
    const removed$ =
      backendId === undefined ? EMPTY : concat(this.#backend.delete(backendId), mainOver);
    const ended = (): void => {
      record.ended();
      gone.complete();
      this.#lives.add(
        timer(this.#config.retentionMs).subscribe({
          next: () => {
            this.remove(sandbox);
          },
          error: ignore,
        }),
      );
    };
    removed$.subscribe({ error: ended, complete: ended });
  }
}

/** The host chooses its ids itself, so that any backend will do. */
function withoutId(spec: SandboxSpec): SandboxSpec {
  const { id, ...rest } = spec;
  return id === undefined ? spec : rest;
}

function ignore(): void {
  // Nobody waits for it.
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
