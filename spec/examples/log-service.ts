/**
 * A service that takes log lines without end, has each classified by worker processes, and says how many there were of each
 * level. Lines are taken as fast as the workers read them, so memory does not grow, however fast the source is; a worker that
 * crashes is replaced, and the line that it crashed on is counted as such.
 */
import { map, sampleTime, scan, share, takeLast, merge, type Observable } from 'rxjs';
import { mapThrough, type Pullable, type Sandbox } from 'sandbox-rx';

export interface LogService {
  readonly sandbox: Sandbox;
  readonly lines: Pullable<string>;
  /** A program that reads lines, and writes the level of each at once. */
  readonly classifier: readonly string[];
  /** How often the numbers are told, in milliseconds. */
  readonly everyMs: number;
}

/** Lines so far, by their level; `broken` are those that no worker survived. */
export type LevelCounts = Readonly<Record<string, number>>;

/** The numbers now and then, and at the end, where there is one. */
export function countLevels({
  sandbox,
  lines,
  classifier,
  everyMs,
}: LogService): Observable<LevelCounts> {
  const classify = mapThrough(sandbox, classifier, { concurrency: 2, onLost: () => 'broken' });
  const counts$ = classify(lines).pipe(
    scan(
      (counts, level) => counts.set(level, (counts.get(level) ?? 0) + 1),
      new Map<string, number>(),
    ),
    share(),
  );
  return merge(counts$.pipe(sampleTime(everyMs)), counts$.pipe(takeLast(1))).pipe(
    map((counts) => Object.fromEntries(counts)),
  );
}
