import { catchError, NEVER, type MonoTypeOperatorFunction, type Subject } from 'rxjs';

/** Tells an error of input to `failure` instead of the backend, which a pipe would make an end of the input of. */
export function failInto<T>(failure: Subject<never>): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) => {
    failure.error(error);
    return NEVER;
  });
}
