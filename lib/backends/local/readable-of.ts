import { Readable } from 'node:stream';
import { BehaviorSubject, type Observable, type Subscription } from 'rxjs';

/** Bytes that come no faster than `paused$` allows. */
export type PausableBytes = (paused$: Observable<boolean>) => Observable<Uint8Array>;

/** A stream of Node's, begun when it is first read; aborting it unsubscribes. */
export function readableOf(bytes: PausableBytes, signal: AbortSignal): Readable {
  const paused$ = new BehaviorSubject(false);
  let subscription: Subscription | undefined;
  return new Readable({
    signal,
    read(): void {
      paused$.next(false);
      subscription ??= bytes(paused$).subscribe({
        next: (data) => {
          if (!this.push(data)) paused$.next(true);
        },
        error: (error: unknown) =>
          this.destroy(error instanceof Error ? error : new Error(String(error))),
        complete: () => {
          this.push(null);
        },
      });
    },
    destroy(error, done): void {
      subscription?.unsubscribe();
      done(error);
    },
  });
}
