import {
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  Subscription,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { messageOf } from '../process/errors/message-of.js';
import type { ExecRequest, SandboxBackend } from '../sandbox/backend.js';
import { ensureDeleted } from '../sandbox/ensure-deleted.js';
import { plainRun } from '../sandbox/plain-run.js';
import type { SandboxSpec } from '../sandbox/sandbox-spec.js';
import type { FileMount } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { HostSandbox } from './host-sandbox.js';
import { within } from './within.js';

/** How a sandbox is ended. */
export interface SandboxEnd {
  /** What its main command is given to end itself, in milliseconds. */
  readonly graceMs: number;
  /** What is done after that, while its files are still there. */
  readonly last$?: Observable<never>;
}

/** Who is told how sandboxes end. */
export interface LivesObserver {
  /** Nothing but its record is left. */
  ended(sandbox: HostSandbox): void;
  /** The backend could not remove it; that is tried again. */
  unremoved(sandbox: HostSandbox, error: unknown): void;
}

/** The lives of sandboxes on the backend: how each is brought up, goes on and ends. */
export class SandboxLives {
  readonly #backend: SandboxBackend;
  readonly #observer: LivesObserver;
  readonly #removals = new Subscription();

  constructor(backend: SandboxBackend, observer: LivesObserver) {
    this.#backend = backend;
    this.#observer = observer;
  }

  begin(
    sandbox: HostSandbox,
    { spec, files }: { readonly spec: SandboxSpec; readonly files: readonly FileMount[] },
  ): void {
    const { command, ...bare } = withoutId(spec);
    sandbox.life.add(
      this.#backend.create(bare).subscribe({
        next: (info) => {
          sandbox.backendId = info.id;
          sandbox.record.placed(info);
          this.#prepare(sandbox, files, command);
        },
        error: (error: unknown) => {
          this.#failed(sandbox, error);
        },
      }),
    );
  }

  /** Ends a sandbox; the main command first, where it is given time. */
  end(sandbox: HostSandbox, { graceMs, last$ = EMPTY }: SandboxEnd): void {
    const { record, mainOver, removal } = sandbox;
    const before = record.phase;
    record.ending('stopped', 'it was stopped');
    // Its main command is no longer started.
    if (before === 'creating') mainOver.complete();
    if (before === 'creating' || before === 'running') {
      const close = (): void => {
        this.remove(sandbox);
      };
      concat(this.#drained(sandbox, graceMs), last$).subscribe({ error: close, complete: close });
    } else {
      removal.hurry();
    }
  }

  /** It has ended by itself. */
  over(sandbox: HostSandbox, status: 'completed' | 'failed' | 'stopped', reason: string): void {
    if (sandbox.record.phase !== 'running') return;
    sandbox.record.ending(status, reason);
    this.remove(sandbox);
  }

  /** Removes it from the backend, however often that has to be tried, and keeps the record. */
  remove(sandbox: HostSandbox): void {
    const { record, backendId, life, mainOver, gone, removal } = sandbox;
    life.unsubscribe();
    sandbox.ready.complete();
    const deleted$ = backendId === undefined ? EMPTY : ensureDeleted(this.#backend, backendId);
    const unremoved = (error: unknown): void => {
      this.#observer.unremoved(sandbox, error);
    };
    const ended = (): void => {
      record.ended();
      gone.complete();
      this.#observer.ended(sandbox);
    };
    const removed$ = removal.until(deleted$.pipe(tap({ error: unremoved })));
    this.#removals.add(concat(removed$, mainOver).subscribe({ error: ended, complete: ended }));
  }

  /** What could not be removed by now stays. */
  close(): void {
    this.#removals.unsubscribe();
  }

  /** Asks the main command to end; completes when it is over, or its time is. */
  #drained({ backendId = '', record, mainOver }: HostSandbox, graceMs: number): Observable<never> {
    if (graceMs === 0 || !this.#backend.capabilities.signals) return EMPTY;
    return defer(() => {
      this.#backend
        .signal({ sandboxId: backendId, runId: record.mainRunId, signal: 'SIGTERM' })
        .subscribe({ error: ignore });
      return within(graceMs, concat(mainOver, timer(0)).pipe(ignoreElements()));
    });
  }

  #failed(sandbox: HostSandbox, error: unknown): void {
    sandbox.record.ending('failed', messageOf(error));
    sandbox.mainOver.complete();
    sandbox.ready.error(error);
    this.remove(sandbox);
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
        this.over(sandbox, returncode === 0 ? 'completed' : 'failed', 'its main command ended');
      },
      error: (error: unknown) => {
        mainOver.complete();
        this.over(sandbox, 'failed', messageOf(error));
      },
      complete: () => {
        mainOver.complete();
      },
    });
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
