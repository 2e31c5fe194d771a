import { catchError, Observable, Subscription, throwError } from 'rxjs';
import { UnsupportedError } from '../../../process/errors/errors.js';
import { News } from '../../../sandbox/news.js';
import {
  isDeleted,
  matches,
  type SandboxFilter,
  type SandboxInfo,
} from '../../../sandbox/sandbox-spec.js';
import { Recently } from '../../../process/recently.js';
import { polledSandboxes, type PolledSandboxes } from './polled-sandboxes.js';
import type { SandboxChanges } from './sandbox-changes.js';

/** Where it is learned how sandboxes change. */
export interface SandboxWatchSources extends PolledSandboxes {
  /** What the server tells, where it does. `opening` is called whenever it is asked. */
  changes(opening: () => void): Observable<SandboxChanges>;
}

/**
 * How sandboxes change, as long as somebody watches: as the server tells it or, where it does not, as it is seen by asking
 * again and again. What this client does itself is told at once.
 */
export class SandboxWatch {
  readonly #sources: SandboxWatchSources;
  /** What was learned since the server was last asked, or has last told something: all there are may be older. */
  readonly #fresh: Set<string> = new Set();
  /** Those of which the server has said that they are gone. */
  readonly #gone = new Recently();
  /** Those that this client has deleted: the server may tell of them once more. */
  readonly #deleted = new Recently();
  #watchers = 0;
  #news: News<SandboxInfo> = new News(isDeleted);
  #following: Subscription | undefined;
  /** The server has been asked for changes, and has no call for that. */
  #isPolled = false;

  constructor(sources: SandboxWatchSources) {
    this.#sources = sources;
  }

  /** Tells how a sandbox stands, where that is news. */
  learn(info: SandboxInfo): void {
    // An answer may be overtaken by the news that it has gone since.
    if (this.#watchers === 0 || this.#gone.has(info.id)) return;
    this.#fresh.add(info.id);
    this.#tell(info, this.#news);
  }

  /** Tells that a sandbox is there no more. */
  forget(id: string): void {
    const info = this.#news.get(id);
    if (info === undefined) return;
    this.learn({ ...info, status: 'deleted' });
    this.#deleted.add(keyOf(info));
  }

  /** Those there are, then each change; one that no longer matches is told once more, so that it can be removed. */
  watch(wanted: SandboxFilter, listed?: () => void): Observable<SandboxInfo> {
    return new Observable((subscriber) => {
      this.#watchers++;
      subscriber.add(() => {
        if (--this.#watchers === 0) this.#stop();
      });
      this.#news.watch({ isWanted: (info) => matches(info, wanted), listed }).subscribe(subscriber);
      if (this.#following === undefined) this.#follow();
    });
  }

  #follow(): void {
    const following = new Subscription();
    this.#following = following;
    following.add(
      this.#source().subscribe({
        next: (changes) => {
          this.#take(changes);
        },
        error: (error: unknown) => {
          this.#fail(error);
        },
      }),
    );
  }

  #source(): Observable<SandboxChanges> {
    const opening = (): void => {
      this.#fresh.clear();
    };
    const isRunning = (id: string): boolean => this.#news.get(id)?.status === 'running';
    const polled$ = polledSandboxes(this.#sources, { opening, isRunning });
    if (this.#isPolled) return polled$;
    return this.#sources.changes(opening).pipe(
      catchError((error: unknown) => {
        if (!isLacking(error)) return throwError(() => error);
        this.#isPolled = true;
        return polled$;
      }),
    );
  }

  #fail(error: unknown): void {
    // Who watches again at once, watches anew.
    const news = this.#news;
    this.#stop();
    news.fail(error);
  }

  #stop(): void {
    this.#following?.unsubscribe();
    this.#following = undefined;
    this.#news = new News(isDeleted);
  }

  #take({ isReset, infos, deletedIds }: SandboxChanges): void {
    // Not to be told to others, where the last who watches leaves in the middle.
    const news = this.#news;
    for (const id of deletedIds) this.#end(id, news);
    if (isReset) {
      const ids = new Set(infos.map(({ id }) => id));
      for (const { id } of news.told) if (!ids.has(id) && !this.#fresh.has(id)) this.#end(id, news);
    }
    for (const info of infos) {
      this.#gone.delete(info.id);
      this.#tell(info, news);
    }
    this.#fresh.clear();
    news.listed();
  }

  #end(id: string, news: News<SandboxInfo>): void {
    this.#gone.add(id);
    const info = news.get(id);
    if (info !== undefined) this.#tell({ ...info, status: 'deleted' }, news);
  }

  #tell(info: SandboxInfo, news: News<SandboxInfo>): void {
    if (this.#deleted.has(keyOf(info))) return;
    const before = news.get(info.id);
    const isNews = before === undefined ? info.status !== 'deleted' : isChange(before, info);
    if (isNews) news.tell(info);
  }
}

/** Another sandbox may be given the same id later. */
function keyOf({ id, createdAtMs }: SandboxInfo): string {
  return `${id} ${createdAtMs}`;
}

function isChange(before: SandboxInfo, info: SandboxInfo): boolean {
  const isOther = before.createdAtMs !== info.createdAtMs;
  // An answer may be overtaken by a later one. What has ended does not run again.
  if (!isOther && before.status !== 'running' && info.status === 'running') return false;
  return (
    isOther ||
    before.status !== info.status ||
    before.returncode !== info.returncode ||
    before.reason !== info.reason ||
    isReachedOtherwise(before, info)
  );
}

/** Where its ports are is known some time after the sandbox is; an answer from before that takes nothing back. */
function isReachedOtherwise(before: SandboxInfo, { services }: SandboxInfo): boolean {
  if (services === undefined) return false;
  const known = new Set(before.services?.map(({ port, url }) => `${port} ${url}`));
  return services.some(({ port, url }) => !known.has(`${port} ${url}`));
}

function isLacking(error: unknown): boolean {
  return error instanceof UnsupportedError && error.capability === 'remote';
}
