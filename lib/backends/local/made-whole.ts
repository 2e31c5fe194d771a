import { catchError, concat, Observable, throwError } from 'rxjs';
import type { LocalBox } from './box.js';

/** Emits a new sandbox when this is done with it; where that fails, or nobody waits for it any more, it is ended. */
export function madeWhole(box: LocalBox, work$: Observable<never>): Observable<LocalBox> {
  return new Observable((subscriber) => {
    let isWhole = false;
    subscriber.add(() => {
      if (!isWhole) box.close$.subscribe();
    });
    const undone = (error: unknown): Observable<never> =>
      concat(
        box.close$,
        throwError(() => error),
      );
    subscriber.add(
      work$.pipe(catchError(undone)).subscribe({
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          isWhole = true;
          subscriber.next(box);
          subscriber.complete();
        },
      }),
    );
  });
}
