import { catchError, throwError, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { SandboxInfo } from '../../sandbox/sandbox-spec.js';

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

/** The error of who asks for a sandbox that ended before it ran. */
export function notMade({
  id: sandboxId,
  reason = 'the server does not say why',
}: SandboxInfo): SandboxError {
  return new SandboxError('ERR_SANDBOX_OVER', `the sandbox could not be started: ${reason}`, {
    sandboxId,
  });
}
