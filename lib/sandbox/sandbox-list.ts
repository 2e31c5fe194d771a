import { concat, defer, filter, ignoreElements, map, merge, of, tap, type Observable } from 'rxjs';
import type { SandboxBackend } from './backend.js';
import type { SandboxInfo } from './sandbox-spec.js';

/** All sandboxes there are, and the whole list again at each change. */
export function sandboxList(backend: SandboxBackend): Observable<readonly SandboxInfo[]> {
  return defer(() => {
    const known: Map<string, SandboxInfo> = new Map();
    let isWhole = false;
    const changes$ = backend.watch({}).pipe(
      tap((info) => known.set(info.id, info)),
      filter(() => isWhole),
    );
    // Who watches is told of one after another, and not which is the last of those there are: the list says that. What
    // was told of meanwhile is newer than the list.
    const listed$ = backend.list({}).pipe(
      filter(({ id }) => !known.has(id)),
      tap((info) => known.set(info.id, info)),
      ignoreElements(),
    );
    const whole$ = defer(() => {
      isWhole = true;
      return of(undefined);
    });
    return merge(changes$, concat(listed$, whole$)).pipe(map(() => remaining(known)));
  });
}

function remaining(known: Map<string, SandboxInfo>): readonly SandboxInfo[] {
  for (const { id, status } of known.values()) if (status === 'deleted') known.delete(id);
  return [...known.values()];
}
