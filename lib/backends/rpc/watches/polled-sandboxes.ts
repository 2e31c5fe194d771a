import { defer, map, repeat, tap, toArray, type Observable } from 'rxjs';
import type { SandboxInfo } from '../../../sandbox/sandbox-spec.js';
import { withRetryBudget } from '../polling.js';
import { isBroken } from './followed.js';
import type { SandboxChanges } from './sandbox-changes.js';

/** A sandbox as the server lists it. */
export interface ListedSandbox {
  readonly info: SandboxInfo;
  /** It has ended, and its exit status is not known yet. */
  readonly lacksExit: boolean;
}

/** A server that tells only how sandboxes stand. */
export interface PolledSandboxes {
  readonly list$: Observable<ListedSandbox>;
  /** From one question to the next. */
  readonly intervalMs: number;
  /** How long a question that fails is asked again, in milliseconds. */
  readonly retryBudgetMs: number;
}

/** Who wants to know how they change. */
interface Asking {
  /** Called whenever the server is asked. */
  opening(): void;
  /** Whether it was told that a sandbox runs. */
  isRunning(id: string): boolean;
}

/** An exit status may come later than the end: so often the server is asked for it again. */
const exitLooks = 2;

/**
 * How sandboxes change: the server is asked again and again how they stand. Where it cannot be asked at first, that is told
 * at once.
 */
export function polledSandboxes(
  { list$, intervalMs, retryBudgetMs }: PolledSandboxes,
  asking: Asking,
): Observable<SandboxChanges> {
  return defer(() => {
    /** How often each was seen that lacks its exit status. */
    const looks: Map<string, number> = new Map();
    /** Of one that was seen to run: what is told of its end is told once. */
    const isAwaited = (id: string): boolean => {
      const count = (looks.get(id) ?? 0) + 1;
      const awaited = asking.isRunning(id) && count <= exitLooks;
      if (awaited) looks.set(id, count);
      else looks.delete(id);
      return awaited;
    };
    let hasListed = false;
    const asked$ = defer(() => {
      asking.opening();
      return list$.pipe(
        toArray(),
        tap(() => (hasListed = true)),
      );
    });
    return withRetryBudget(asked$, retryBudgetMs, (error) => hasListed && isBroken(error)).pipe(
      map((listed) => ({
        isReset: true,
        infos: listed.map(({ info, lacksExit }): SandboxInfo =>
          lacksExit && isAwaited(info.id) ? stillRunning(info) : info,
        ),
        deletedIds: [],
      })),
      repeat({ delay: intervalMs }),
    );
  });
}

function stillRunning({ id, tags, createdAtMs }: SandboxInfo): SandboxInfo {
  return { id, status: 'running', tags, createdAtMs };
}
