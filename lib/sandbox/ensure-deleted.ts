import { catchError, EMPTY, throwError, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import type { SandboxBackend } from './backend.js';

/** Deletes a sandbox at the end of its scope, where that has not deleted it already. */
export function ensureDeleted(backend: SandboxBackend, id: string): Observable<never> {
  return backend
    .delete(id)
    .pipe(
      catchError((error: unknown) =>
        error instanceof SandboxNotFoundError ? EMPTY : throwError(() => error),
      ),
    );
}
