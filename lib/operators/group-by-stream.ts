import { filter, groupBy, type GroupedObservable, type OperatorFunction } from 'rxjs';
import type { OutputEvent, OutputStream, ProcessEvent } from '../process/process-event.js';

/**
 * Takes a run's events apart into one Observable of bytes for each of its streams, emitted when the stream's first bytes
 * come; its `key` is `'stdout'` or `'stderr'`. Subscribe to it at once: it is hot, and what nobody hears is gone.
 *
 * ```text
 * source            --o--e--p--(x|)     o, p = stdout, e = stderr, x = exit
 * groupByStream()   --S--T-----|        S = --o-----p--|, T = --e-----|
 * ```
 *
 * @example
 * ```ts
 * import { map, mergeMap } from 'rxjs';
 * import { groupByStream, lines, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * sandbox
 *   .exec$(['make'])
 *   .pipe(groupByStream(), mergeMap((bytes$) => bytes$.pipe(lines(), map((line) => `${bytes$.key}: ${line}`))))
 *   .subscribe(console.log);
 * ```
 */
export function groupByStream(): OperatorFunction<
  ProcessEvent,
  GroupedObservable<OutputStream, Uint8Array>
> {
  return (source) =>
    source.pipe(
      filter((event): event is OutputEvent => event.type !== 'exit'),
      groupBy(({ type }) => type, { element: ({ data }) => data }),
    );
}
