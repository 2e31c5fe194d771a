import { defer, map, repeat, toArray, type Observable } from 'rxjs';
import type { SandboxInfo } from '../../../sandbox/sandbox-spec.js';
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

/** How sandboxes change: the server is asked again and again how they stand. */
export function polledSandboxes(
  { list$, intervalMs }: PolledSandboxes,
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
    const asked$ = defer(() => {
      asking.opening();
      return list$.pipe(toArray());
    });
    return asked$.pipe(
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
