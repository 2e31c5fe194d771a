import type { ProcessInfo } from '../../../sandbox/backend.js';

/** What a server tells of processes. */
interface ProcessChanges {
  /** What was told before holds no more: these are all there are, and some that went lately. */
  readonly isReset: boolean;
  readonly infos: readonly ProcessInfo[];
}

/** What was told of the processes of a sandbox to one who watches them. */
export class ToldProcesses {
  readonly #told: Map<string, ProcessInfo> = new Map();

  /** What is news in this, and how those ended of which is told no more. */
  *changesOf({ isReset, infos }: ProcessChanges): Generator<ProcessInfo, void> {
    const ids = new Set(infos.map(({ id }) => id));
    if (isReset)
      for (const info of [...this.#told.values()]) if (!ids.has(info.id)) yield this.#lost(info);
    for (const info of infos) if (this.#isNews(info, isReset)) yield this.#noted(info);
  }

  #isNews(info: ProcessInfo, isReset: boolean): boolean {
    const before = this.#told.get(info.id);
    if (before === undefined) return info.forgotten !== true || !isReset;
    return (
      before.state !== info.state ||
      before.forgotten !== info.forgotten ||
      before.startedAtMs !== info.startedAtMs
    );
  }

  #noted(info: ProcessInfo): ProcessInfo {
    if (info.forgotten === true) this.#told.delete(info.id);
    else this.#told.set(info.id, info);
    return info;
  }

  /** It went while nobody was told. */
  #lost(before: ProcessInfo): ProcessInfo {
    const isOver = before.endedAtMs !== undefined;
    const unknown = {
      state: 'failed',
      reason: 'how it ended is not known: the connection was lost',
    } as const;
    return this.#noted({ ...before, ...(!isOver && unknown), forgotten: true });
  }
}
