import { Observable, repeat, tap, toArray, type Subscription } from 'rxjs';
import { SandboxNews } from '../../sandbox/sandbox-news.js';
import type { SandboxFilter, SandboxInfo } from '../../sandbox/sandbox-spec.js';

/**
 * How sandboxes change, of a server that only tells how they stand: it is asked at intervals as long as somebody
 * watches, and what this client does itself is told at once.
 */
export class SandboxWatch {
  readonly #list$: Observable<SandboxInfo>;
  readonly #intervalMs: number;
  /** What was learned since the server was last asked: its answer may be older. */
  readonly #fresh: Set<string> = new Set();
  #watchers = 0;
  #news = new SandboxNews();
  #polling: Subscription | undefined;

  constructor(list$: Observable<SandboxInfo>, intervalMs: number) {
    this.#list$ = list$;
    this.#intervalMs = intervalMs;
  }

  /** Tells how a sandbox stands, where that is news. */
  learn(info: SandboxInfo): void {
    if (this.#watchers === 0) return;
    this.#fresh.add(info.id);
    this.#tell(info);
  }

  /** Tells that a sandbox is there no more. */
  forget(id: string): void {
    const info = this.#news.told.get(id);
    if (info !== undefined) this.learn({ ...info, status: 'deleted' });
  }

  /** Those there are, then each change; one that no longer matches is told once more, so that it can be removed. */
  watch(wanted: SandboxFilter): Observable<SandboxInfo> {
    return new Observable((subscriber) => {
      this.#watchers++;
      subscriber.add(() => {
        if (--this.#watchers === 0) this.#stop();
      });
      this.#news.watch(wanted).subscribe(subscriber);
      this.#polling ??= this.#poll();
    });
  }

  #poll(): Subscription {
    const asked$: Observable<readonly SandboxInfo[]> = new Observable((subscriber) => {
      this.#fresh.clear();
      return this.#list$.pipe(toArray()).subscribe(subscriber);
    });
    return asked$
      .pipe(
        tap((infos) => {
          this.#compare(infos);
        }),
        repeat({ delay: this.#intervalMs }),
      )
      .subscribe({
        error: (error: unknown) => {
          this.#news.fail(error);
        },
      });
  }

  #stop(): void {
    this.#polling?.unsubscribe();
    this.#polling = undefined;
    this.#news = new SandboxNews();
  }

  #compare(infos: readonly SandboxInfo[]): void {
    for (const info of infos) if (!this.#fresh.has(info.id)) this.#tell(info);
    const ids = new Set(infos.map(({ id }) => id));
    for (const info of [...this.#news.told.values()]) {
      if (!ids.has(info.id) && !this.#fresh.has(info.id))
        this.#tell({ ...info, status: 'deleted' });
    }
  }

  #tell(info: SandboxInfo): void {
    const before = this.#news.told.get(info.id);
    const isNews = before === undefined ? info.status !== 'deleted' : !isSame(before, info);
    if (isNews) this.#news.tell(info);
  }
}

function isSame(a: SandboxInfo, b: SandboxInfo): boolean {
  return a.status === b.status && a.returncode === b.returncode && a.reason === b.reason;
}
