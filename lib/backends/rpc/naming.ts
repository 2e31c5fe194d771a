import { catchError, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { UnsupportedError } from '../../process/errors/errors.js';

/** A server that has no such calls does not say what it is that it lacks. */
export function naming<T>(capability: string): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) =>
    throwError(() =>
      error instanceof UnsupportedError && error.capability === 'remote'
        ? new UnsupportedError(capability, error.message, {
            cause: error,
            ...(error.remote && { remote: error.remote }),
          })
        : error,
    ),
  );
}
