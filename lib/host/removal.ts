import {
  BehaviorSubject,
  defer,
  EMPTY,
  ignoreElements,
  merge,
  mergeMap,
  race,
  retry,
  Subject,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import type { HostSandbox } from './host-sandbox.js';

/** From a removal that failed to the next: at first, and at most, in milliseconds. */
const againMs = { least: 1000, most: 60_000 };

/** How the removal of a sandbox from its backend stands: it is tried until it is done. */
export class Removal {
  /** Why it failed, until it is tried again. */
  readonly #failure: BehaviorSubject<{ readonly error: unknown } | undefined> = new BehaviorSubject<
    { readonly error: unknown } | undefined
  >(undefined);
  readonly #hurried: Subject<void> = new Subject();

  /** Completes when it is done; errors when it has failed, as long as it is not tried again. */
  get outcome$(): Observable<never> {
    return this.#failure.pipe(
      mergeMap((failure) => (failure === undefined ? EMPTY : throwError(() => failure.error))),
    );
  }

  /** Tries again now, where it has failed. */
  hurry(): void {
    this.#hurried.next();
  }

  /** Subscribes to `removed$` until that succeeds, more and more seldom. */
  until(removed$: Observable<never>): Observable<never> {
    const tried$ = defer(() => {
      this.#failure.next(undefined);
      return removed$;
    });
    return tried$.pipe(
      retry({
        delay: (error: unknown, count) => {
          this.#failure.next({ error });
          const delayMs = Math.min(againMs.least * 2 ** (count - 1), againMs.most);
          return race(timer(delayMs), this.#hurried);
        },
      }),
      tap({
        complete: () => {
          this.#failure.complete();
        },
      }),
    );
  }
}

/** Completes when nothing of a sandbox is left but its record; errors where it could not be removed, which is tried again. */
export function removed({ gone, removal }: HostSandbox): Observable<never> {
  return merge(gone, removal.outcome$).pipe(ignoreElements());
}
