import { catchError, throwError, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../../process/errors/errors.js';

/** What is said where there is no such sandbox any more. */
export function unlessGone<T>(gone$: Observable<T>): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) =>
    error instanceof SandboxNotFoundError ? gone$ : throwError(() => error),
  );
}

/** The error of who asks for a sandbox that there is not. */
export function notFound(sandboxId: string): SandboxNotFoundError {
  return new SandboxNotFoundError(`there is no sandbox ${sandboxId}`, { sandboxId });
}
