import { Observable, retry } from 'rxjs';
import type { SandboxBackend } from '../../sandbox/backend.js';

/** A sandbox of the backend that has ended there. */
export interface BackendEnd {
  /** Its id on the backend. */
  readonly id: string;
  readonly reason: string;
}

/** From a watch of the backend that failed to the next, in milliseconds. */
const watchAgainMs = 1000;

/**
 * The backend's own news: sandboxes that ended there by themselves, or at the end of their lifetime. What has ended while
 * the backend was not to be reached is told when it is again; `runningIds` gives the ids of those that should be there.
 */
export function backendEnds(
  backend: SandboxBackend,
  runningIds: () => readonly string[],
): Observable<BackendEnd> {
  const told$: Observable<BackendEnd> = new Observable((subscriber) => {
    // What is made from now on may be told later than the list.
    const missing = new Set(runningIds());
    const listed = (): void => {
      for (const id of missing) subscriber.next({ id, reason: 'its backend has it no more' });
      missing.clear();
    };
    return backend.watch({}, listed).subscribe({
      next: ({ id, status, reason = 'it ended' }) => {
        missing.delete(id);
        if (status !== 'running') subscriber.next({ id, reason });
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
      complete: () => {
        subscriber.complete();
      },
    });
  });
  return told$.pipe(retry({ delay: watchAgainMs }));
}
