import { Observable, repeat, tap, toArray, type Subscription } from 'rxjs';
import { SandboxNews } from '../../sandbox/sandbox-news.js';
import type { SandboxFilter, SandboxInfo } from '../../sandbox/sandbox-spec.js';

/** A sandbox as the server lists it. */
export interface ListedSandbox {
  readonly info: SandboxInfo;
  /** It has ended, and its exit status is not known yet. */
  readonly lacksExit: boolean;
}

/** An exit status may come later than the end: so often the server is asked for it again. */
const exitLooks = 2;

/**
 * How sandboxes change, of a server that only tells how they stand: it is asked at intervals as long as somebody
 * watches, and what this client does itself is told at once.
 */
export class SandboxWatch {
  readonly #list$: Observable<ListedSandbox>;
  readonly #intervalMs: number;
  /** What was learned since the server was last asked: its answer may be older. */
  readonly #fresh: Set<string> = new Set();
  /** How often each was seen that lacks its exit status. */
  readonly #looks: Map<string, number> = new Map();
  #watchers = 0;
  #news = new SandboxNews();
  #polling: Subscription | undefined;

  constructor(list$: Observable<ListedSandbox>, intervalMs: number) {
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
    const asked$: Observable<readonly ListedSandbox[]> = new Observable((subscriber) => {
      this.#fresh.clear();
      return this.#list$.pipe(toArray()).subscribe(subscriber);
    });
    return asked$
      .pipe(
        tap((listed) => {
          this.#compare(listed);
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
    this.#looks.clear();
    this.#news = new SandboxNews();
  }

  #compare(listed: readonly ListedSandbox[]): void {
    for (const { info, lacksExit } of listed) {
      if (!this.#fresh.has(info.id) && !(lacksExit && this.#isAwaited(info.id))) this.#tell(info);
    }
    const ids = new Set(listed.map(({ info: { id } }) => id));
    for (const info of [...this.#news.told.values()]) {
      if (!ids.has(info.id) && !this.#fresh.has(info.id))
        this.#tell({ ...info, status: 'deleted' });
    }
  }

  /** Of one that was seen to run: what is told of its end is told once. */
  #isAwaited(id: string): boolean {
    const looks = (this.#looks.get(id) ?? 0) + 1;
    const isAwaited = this.#news.told.get(id)?.status === 'running' && looks <= exitLooks;
    if (isAwaited) this.#looks.set(id, looks);
    else this.#looks.delete(id);
    return isAwaited;
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
