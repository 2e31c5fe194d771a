import type { Observable } from 'rxjs';
import { newId } from '../process/new-id.js';
import type { ExecRequest, ProcessInfo } from './backend.js';
import { News } from './news.js';
import { ToldRun } from './told-run.js';

/** The processes of one sandbox, as they are listed and watched. */
export class SandboxProcesses {
  /** The id of the sandbox's main command. */
  readonly mainId: string = newId();
  readonly #sandboxId: string;
  readonly #news: News<ProcessInfo> = new News(({ forgotten }) => forgotten === true);
  /** Those that go on. */
  readonly #live: Set<string> = new Set();
  #isClosed = false;

  constructor(sandboxId: string) {
    this.#sandboxId = sandboxId;
    this.#news.listed();
  }

  /** One more, of which is told once it has begun. */
  add({ id, command, tty }: Pick<ExecRequest, 'id' | 'command' | 'tty'>): ToldRun {
    this.#live.add(id);
    const info: ProcessInfo = {
      id,
      sandboxId: this.#sandboxId,
      command,
      state: 'starting',
      tty: tty !== undefined,
      startedAtMs: Date.now(),
      ...(id === this.mainId && { main: true }),
    };
    return new ToldRun(info, (now) => {
      this.#tell(now);
    });
  }

  /** Those that go on, and those that have ended and are kept, oldest first. */
  get list(): readonly ProcessInfo[] {
    return this.#news.told;
  }

  watch(listed: (() => void) | undefined): Observable<ProcessInfo> {
    return this.#news.watch({ listed });
  }

  /** The sandbox has ended: when all of its runs have, there is nothing more to tell. */
  close(): void {
    this.#isClosed = true;
    this.#completeWhenOver();
  }

  #tell(info: ProcessInfo): void {
    this.#news.tell(info);
    if (info.endedAtMs === undefined || !this.#live.delete(info.id)) return;
    this.#completeWhenOver();
  }

  #completeWhenOver(): void {
    if (!this.#isClosed || this.#live.size > 0) return;
    for (const info of this.list) this.#news.tell({ ...info, forgotten: true });
    this.#news.complete();
  }
}
