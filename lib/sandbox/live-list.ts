import { Observable, ReplaySubject, share } from 'rxjs';

/** Where the news of a list come from. */
export interface LiveListSource<Info> {
  /** Emits those there are, calls `listed`, and then emits each change. */
  watch(listed: () => void): Observable<Info>;
  /** Whether this is the last that is told of one: it is not in the list any more. */
  isLast(info: Info): boolean;
  /** When it began. What one does oneself may be told before what others did earlier. */
  beginOf(info: Info): number;
}

/** All there are, oldest first, and the whole list again at each change: one watch for all who subscribe, as long as anybody does. */
export function liveList<Info extends { readonly id: string }>(
  source: LiveListSource<Info>,
): Observable<readonly Info[]> {
  const list$: Observable<readonly Info[]> = new Observable((subscriber) => {
    const known: Map<string, Info> = new Map();
    let isWhole = false;
    const byAge = (a: Info, b: Info): number => source.beginOf(a) - source.beginOf(b);
    const tell = (): void => {
      if (isWhole) subscriber.next([...known.values()].sort(byAge));
    };
    const listed = (): void => {
      isWhole = true;
      tell();
    };
    return source.watch(listed).subscribe({
      next: (info) => {
        if (source.isLast(info)) known.delete(info.id);
        else known.set(info.id, info);
        tell();
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
      complete: () => {
        subscriber.complete();
      },
    });
  });
  return list$.pipe(share({ connector: () => new ReplaySubject(1) }));
}
