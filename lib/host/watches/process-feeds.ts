import { catchError, EMPTY, map, Subscription, throwError, timer, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../../process/errors/errors.js';
import type { ProcessInfo, SandboxBackend } from '../../sandbox/backend.js';
import type { HostSandbox } from '../host-sandbox.js';
import { Feed } from './feed.js';

/** Changes that are remembered for those who come back. */
const historyLength = 300;
/** How long a list is kept up to date after the last who watched it has gone: they may come back, in milliseconds. */
const lingerMs = 60_000;

/** The processes of a sandbox, and who watches them. */
interface Watched {
  readonly feed: Feed<ProcessInfo>;
  readonly source: Subscription;
  watchers: number;
  lingering: Subscription | undefined;
}

/** The lists of processes of those sandboxes that somebody watches. */
export class ProcessFeeds {
  readonly #backend: SandboxBackend;
  readonly #watched: Map<HostSandbox, Watched> = new Map();

  constructor(backend: SandboxBackend) {
    this.#backend = backend;
  }

  /** The processes there are. @throws SandboxError where the sandbox is still being made */
  list(sandbox: HostSandbox): Observable<ProcessInfo> {
    return this.#ofBackend(sandbox, (id) => this.#backend.processes.list(id));
  }

  /** The list of a sandbox, for one who watches it until `left` is called. @throws SandboxError as `list` */
  join(sandbox: HostSandbox): { readonly feed: Feed<ProcessInfo>; readonly left: () => void } {
    const watched = this.#watched.get(sandbox) ?? this.#begin(sandbox);
    watched.watchers++;
    watched.lingering?.unsubscribe();
    const left = (): void => {
      watched.watchers--;
      if (watched.watchers === 0) this.#linger(sandbox, watched);
    };
    return { feed: watched.feed, left };
  }

  #begin(sandbox: HostSandbox): Watched {
    const feed: Feed<ProcessInfo> = new Feed(historyLength);
    const infos$ = this.#ofBackend(sandbox, (id) =>
      this.#backend.processes.watch(id, () => {
        feed.listed();
      }),
    );
    const watched = { feed, source: new Subscription(), watchers: 0, lingering: undefined };
    this.#watched.set(sandbox, watched);
    const over = (): void => {
      this.#forget(sandbox, watched);
    };
    watched.source.add(
      infos$.subscribe({
        next: (info) => {
          if (info.forgotten === true) feed.end(info);
          else feed.set(info);
        },
        error: (error: unknown) => {
          over();
          feed.fail(error);
        },
        complete: () => {
          over();
          feed.complete();
        },
      }),
    );
    return watched;
  }

  #linger(sandbox: HostSandbox, watched: Watched): void {
    if (this.#watched.get(sandbox) !== watched) return;
    watched.lingering = timer(lingerMs).subscribe({
      error: () => undefined,
      complete: () => {
        this.#forget(sandbox, watched);
      },
    });
  }

  #forget(sandbox: HostSandbox, { source, lingering }: Watched): void {
    this.#watched.delete(sandbox);
    source.unsubscribe();
    lingering?.unsubscribe();
  }

  /** In the words of this host. A sandbox that is over has none. */
  #ofBackend(
    { record, backendId = '' }: HostSandbox,
    ask: (backendId: string) => Observable<ProcessInfo>,
  ): Observable<ProcessInfo> {
    if (record.phase === 'over') return EMPTY;
    if (record.phase === 'creating') record.assertRunning();
    const { id: sandboxId, mainRunId } = record;
    return ask(backendId).pipe(
      map((info) => ({
        ...info,
        sandboxId,
        ...(info.id === mainRunId && { main: true as const }),
      })),
      catchError((error: unknown) =>
        error instanceof SandboxNotFoundError ? EMPTY : throwError(() => error),
      ),
    );
  }
}
