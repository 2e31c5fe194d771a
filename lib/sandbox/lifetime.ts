import { map, Observable, timer, type SchedulerLike } from 'rxjs';

/** Emits when the time is up; a sandbox's lifetime alone does not keep a program running. */
export function lifetime(
  lifetimeMs: number,
  scheduler: SchedulerLike | undefined,
): Observable<string> {
  const reason = `its lifetime of ${lifetimeMs} ms was over`;
  if (scheduler !== undefined) return timer(lifetimeMs, scheduler).pipe(map(() => reason));
  return new Observable((subscriber) => {
    const handle: unknown = setTimeout(() => {
      subscriber.next(reason);
    }, lifetimeMs);
    if (hasUnref(handle)) handle.unref();
    return () => {
      clearTimeout(handle as Parameters<typeof clearTimeout>[0]);
    };
  });
}

function hasUnref(handle: unknown): handle is { unref(): void } {
  return typeof handle === 'object' && handle !== null && 'unref' in handle;
}
