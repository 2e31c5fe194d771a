import { ignoreElements, race, timer, type Observable } from 'rxjs';

/** Waits for the completion of `done$`, but no longer than this. */
export function within(timeMs: number, done$: Observable<never>): Observable<never> {
  return race(done$, timer(timeMs).pipe(ignoreElements()));
}
