import { mergeMap, of, Subject, takeUntil, type Observable } from 'rxjs';

/** Subscribes as RxJS does where a project ends its consumer, and then gives its Observable: nobody is there any more. */
export function subscribeTooLate(source: Observable<unknown>): void {
  const stop$: Subject<void> = new Subject();
  const project = (): Observable<unknown> => {
    stop$.next();
    return source;
  };
  of(0).pipe(mergeMap(project), takeUntil(stop$)).subscribe();
}
