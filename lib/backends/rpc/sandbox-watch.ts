import { Observable, repeat, Subject, tap, toArray, type Subscription } from 'rxjs';
import { Turns } from '../../process/turns.js';
import { matches, type SandboxFilter, type SandboxInfo } from '../../sandbox/sandbox-spec.js';

/**
 * How sandboxes change, of a server that only tells how they stand: it is asked at intervals as long as somebody
 * watches, and what this client does itself is told at once.
 */
export class SandboxWatch {
  readonly #list$: Observable<SandboxInfo>;
  readonly #intervalMs: number;
  readonly #watchers: Set<Watcher> = new Set();
  readonly #known: Map<string, SandboxInfo> = new Map();
  /** What was learned since the server was last asked: its answer may be older. */
  readonly #fresh: Set<string> = new Set();
  readonly #turns = new Turns();
  #polling: Subscription | undefined;
  #failed: Subject<never> = new Subject();
  /** The first answer has come, so that what is known is all there is. */
  #isComplete = false;

  constructor(list$: Observable<SandboxInfo>, intervalMs: number) {
    this.#list$ = list$;
    this.#intervalMs = intervalMs;
  }

  /** Tells how a sandbox stands, where that is news. */
  learn(info: SandboxInfo): void {
    if (this.#watchers.size === 0) return;
    this.#fresh.add(info.id);
    this.#tell(info);
  }

  /** Tells that a sandbox is there no more. */
  forget(id: string): void {
    const info = this.#known.get(id);
    if (info !== undefined) this.learn({ ...info, status: 'deleted' });
  }

  /** Those there are, then each change; one that no longer matches is told once more, so that it can be removed. */
  watch(wanted: SandboxFilter): Observable<SandboxInfo> {
    return new Observable((subscriber) => {
      const watcher = new Watcher(wanted, (info) => {
        subscriber.next(info);
      });
      this.#watchers.add(watcher);
      subscriber.add(() => {
        this.#watchers.delete(watcher);
        if (this.#watchers.size === 0) this.#stop();
      });
      subscriber.add(
        this.#failed.subscribe({
          error: (error: unknown) => {
            subscriber.error(error);
          },
        }),
      );
      if (this.#isComplete) watcher.tellAll([...this.#known.values()]);
      if (!this.#polling) this.#start();
    });
  }

  #start(): void {
    const asked$ = this.#list$.pipe(toArray());
    const poll$: Observable<readonly SandboxInfo[]> = new Observable((subscriber) => {
      this.#fresh.clear();
      return asked$.subscribe(subscriber);
    });
    this.#polling = poll$
      .pipe(
        tap((infos) => {
          this.#compare(infos);
        }),
        repeat({ delay: this.#intervalMs }),
      )
      .subscribe({
        error: (error: unknown) => {
          const failed = this.#failed;
          this.#failed = new Subject();
          failed.error(error);
        },
      });
  }

  #stop(): void {
    this.#polling?.unsubscribe();
    this.#polling = undefined;
    this.#known.clear();
    this.#isComplete = false;
  }

  #compare(infos: readonly SandboxInfo[]): void {
    this.#isComplete = true;
    const ids = new Set(infos.map(({ id }) => id));
    // What this client deleted while it waited for the answer is not there again.
    for (const info of infos) if (!this.#fresh.has(info.id)) this.#tell(info);
    for (const info of [...this.#known.values()]) {
      if (!ids.has(info.id) && !this.#fresh.has(info.id))
        this.#tell({ ...info, status: 'deleted' });
    }
  }

  #tell(info: SandboxInfo): void {
    const before = this.#known.get(info.id);
    if (before === undefined ? info.status === 'deleted' : isSame(before, info)) return;
    if (info.status === 'deleted') this.#known.delete(info.id);
    else this.#known.set(info.id, info);
    this.#turns.take(() => {
      for (const watcher of [...this.#watchers]) watcher.tell(info);
    });
  }
}

/** One who watches, and what it has been told. */
class Watcher {
  readonly #wanted: SandboxFilter;
  readonly #tell: (info: SandboxInfo) => void;
  readonly #told: Map<string, SandboxInfo> = new Map();
  readonly #turns = new Turns();

  constructor(wanted: SandboxFilter, tell: (info: SandboxInfo) => void) {
    this.#wanted = wanted;
    this.#tell = tell;
  }

  /** A change that is made while the list is told waits for its end. */
  tellAll(infos: readonly SandboxInfo[]): void {
    this.#turns.take(() => {
      for (const info of infos) this.#give(info);
    });
  }

  tell(info: SandboxInfo): void {
    this.#turns.take(() => {
      this.#give(info);
    });
  }

  #give(info: SandboxInfo): void {
    const before = this.#told.get(info.id);
    if (before === undefined && !matches(info, this.#wanted)) return;
    if (before !== undefined && isSame(before, info)) return;
    if (info.status === 'deleted') this.#told.delete(info.id);
    else this.#told.set(info.id, info);
    this.#tell(info);
  }
}

function isSame(a: SandboxInfo, b: SandboxInfo): boolean {
  return a.status === b.status && a.returncode === b.returncode && a.reason === b.reason;
}
