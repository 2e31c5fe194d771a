import {
  catchError,
  concat,
  defer,
  mergeMap,
  Observable,
  tap,
  throwError,
  type ObservableInput,
} from 'rxjs';
import type { SandboxBackend } from './backend.js';
import { ensureDeleted } from './ensure-deleted.js';
import { Sandbox } from './sandbox.js';
import type { SandboxSpec } from './sandbox-spec.js';

/**
 * Makes a sandbox for each subscription, hands over what `project` makes of it, and deletes it before completing or
 * erroring; after an unsubscription, in the background.
 */
export function withSandbox<T>(
  backend: SandboxBackend,
  spec: SandboxSpec,
  project: (sandbox: Sandbox) => ObservableInput<T>,
): Observable<T> {
  return backend.create(spec).pipe(mergeMap(({ id }) => scoped(backend, id, project)));
}

function scoped<T>(
  backend: SandboxBackend,
  id: string,
  project: (sandbox: Sandbox) => ObservableInput<T>,
): Observable<T> {
  return new Observable((subscriber) => {
    // Leaving while it is being deleted must not stop that half-way.
    let over = false;
    const finished = (): void => {
      over = true;
    };
    const delete$ = ensureDeleted(backend, id).pipe(tap({ complete: finished, error: finished }));
    const fail = (error: unknown): Observable<never> => {
      const rethrow = (): Observable<never> => throwError(() => error);
      return concat(delete$, defer(rethrow)).pipe(catchError(rethrow));
    };
    concat(
      defer(() => project(new Sandbox(backend, id))).pipe(catchError(fail)),
      delete$,
    ).subscribe(subscriber);
    return () => {
      if (!over) delete$.subscribe({ error: ignore });
    };
  });
}

function ignore(): void {
  // Nobody observes any more whom a failed deletion could be told to.
}
