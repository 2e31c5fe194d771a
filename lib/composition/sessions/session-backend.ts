import { defer, finalize, mergeMap, of, tap, throwError, type Observable } from 'rxjs';
import { CancelledError } from '../../process/errors/errors.js';
import type { OutputEvent, ProcessEvent } from '../../process/process-event.js';
import { withDefaults } from '../../process/with-defaults.js';
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
import type { SandboxFilter, SandboxInfo, SandboxSpec } from '../../sandbox/sandbox-spec.js';
import type { SessionBooks } from './session-books.js';

/** A backend as one session sees it: what is made there has the session's defaults, and is in its books. */
export class SessionBackend implements SandboxBackend {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly processes: BackendProcesses;
  readonly files: BackendFiles;
  readonly snapshots: BackendSnapshots;
  readonly #backend: SandboxBackend;
  readonly #defaults: SandboxSpec;
  readonly #books: SessionBooks;

  constructor(backend: SandboxBackend, defaults: SandboxSpec, books: SessionBooks) {
    this.name = backend.name;
    this.capabilities = backend.capabilities;
    this.processes = backend.processes;
    this.files = backend.files;
    this.snapshots = backend.snapshots;
    this.#backend = backend;
    this.#defaults = defaults;
    this.#books = books;
  }

  create(spec: SandboxSpec): Observable<SandboxInfo> {
    return defer(() => {
      if (this.#books.isClosed) return throwError(() => closedError());
      const startedAt = performance.now();
      this.#books.creating(1);
      return this.#backend.create(merged(this.#defaults, spec)).pipe(
        mergeMap((info) => {
          this.#books.created(info.id, performance.now() - startedAt);
          // Closing has waited for it, and deletes it.
          return this.#books.isClosed ? throwError(() => closedError()) : of(info);
        }),
        finalize(() => {
          this.#books.creating(-1);
        }),
      );
    });
  }

  get(sandboxId: string): Observable<SandboxInfo> {
    return this.#backend.get(sandboxId);
  }

  list(filter: SandboxFilter): Observable<SandboxInfo> {
    return this.#backend.list(filter);
  }

  watch(filter: SandboxFilter, listed?: () => void): Observable<SandboxInfo> {
    return this.#backend.watch(filter, listed);
  }

  stop(sandboxId: string): Observable<SandboxInfo> {
    return this.#backend.stop(sandboxId);
  }

  delete(sandboxId: string): Observable<never> {
    const forget = (): void => {
      this.#books.ids.delete(sandboxId);
    };
    return this.#backend.delete(sandboxId).pipe(tap({ complete: forget }));
  }

  exec(request: ExecRequest): Observable<ProcessEvent> {
    return defer(() => {
      this.#books.executed(request.sandboxId);
      return this.#backend.exec(request).pipe(this.#counted);
    });
  }

  attach(request: AttachRequest): Observable<ProcessEvent> {
    return this.#backend.attach(request);
  }

  signal(request: SignalRequest): Observable<never> {
    return this.#backend.signal(request);
  }

  logs(request: LogsRequest): Observable<OutputEvent> {
    return this.#backend.logs(request);
  }

  /** Counts how a run ends; who has its exit may leave before it completes. */
  readonly #counted = (run$: Observable<ProcessEvent>): Observable<ProcessEvent> => {
    let hasExited = false;
    return run$.pipe(
      tap({
        next: (event) => {
          if (event.type !== 'exit') return;
          hasExited = true;
          this.#books.count(event.returncode === 0 ? 'succeeded' : 'nonzero');
        },
        error: (error: unknown) => {
          this.#books.count(error instanceof CancelledError ? 'cancelled' : 'failed');
        },
        complete: () => {
          if (!hasExited) this.#books.count('failed');
        },
        unsubscribe: () => {
          if (!hasExited) this.#books.count('cancelled');
        },
      }),
    );
  };
}

/** What both say: variables are added to each other, and so are tags; of all else, the spec's own is what counts. */
function merged(defaults: SandboxSpec, spec: SandboxSpec): SandboxSpec {
  const env = { ...defaults.env, ...spec.env };
  const tags = [...new Set([...(defaults.tags ?? []), ...(spec.tags ?? [])])];
  return { ...withDefaults(defaults, spec), env, tags };
}

/** What is refused or ended because the session is over. */
export function closedError(): CancelledError {
  return new CancelledError('the session was closed; begin another one');
}
