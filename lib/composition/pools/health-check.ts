import {
  catchError,
  defaultIfEmpty,
  defer,
  map,
  of,
  takeLast,
  timeout,
  type Observable,
} from 'rxjs';
import type { Sandbox } from '../../sandbox/sandbox.js';
import type { PoolPlan } from './pool-options.js';

/** What a health check says of a sandbox. */
export interface Health {
  readonly isWell: boolean;
  /** What the check failed with. */
  readonly cause?: unknown;
}

/** Asks once. */
export function healthOf(
  sandbox: Sandbox,
  healthCheck: NonNullable<PoolPlan['healthCheck']>,
  { healthCheckTimeoutMs: first, scheduler }: PoolPlan,
): Observable<Health> {
  return defer(() => healthCheck(sandbox)).pipe(
    takeLast(1),
    defaultIfEmpty<unknown, true>(true),
    timeout({ first, scheduler }),
    map((answer) => ({ isWell: answer !== false })),
    catchError((cause: unknown) => of({ isWell: false, cause })),
  );
}
