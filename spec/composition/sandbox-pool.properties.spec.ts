import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { map, NEVER, tap, timer, type Observable } from 'rxjs';
import { SandboxClient, SandboxPool, type SandboxPoolOptions } from 'sandbox-rx';
import { marbles } from '../support/marbles.js';
import { slowBackend } from './altered-backend.js';
import { memoryPlace } from './fleet-kit.js';

/** What happens to the pool, one after another. */
type Step =
  | { readonly type: 'use'; readonly forMs: number; readonly leavesAfterMs: number | undefined }
  | { readonly type: 'crash'; readonly which: number }
  | { readonly type: 'wait'; readonly ms: number };

const ms = fc.integer({ min: 0, max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant('use' as const),
    forMs: ms,
    leavesAfterMs: fc.option(ms, { nil: undefined, freq: 2 }),
  }),
  fc.record({ type: fc.constant('crash' as const), which: fc.nat({ max: 5 }) }),
  fc.record({ type: fc.constant('wait' as const), ms }),
);
/** A pool, and how long its backend takes to make or delete a sandbox. */
interface Plan extends SandboxPoolOptions {
  readonly slowMs: number;
  /** Every so many checks of health say that it is sick. */
  readonly sickEvery: number;
}

const plans: fc.Arbitrary<Plan> = fc
  .record({
    min: fc.nat({ max: 3 }),
    more: fc.nat({ max: 3 }),
    maxLeases: fc.integer({ min: 1, max: 3 }),
    slowMs: fc.nat({ max: 10 }),
    sickEvery: fc.integer({ min: 2, max: 5 }),
  })
  .map(({ min, more, ...plan }) => ({
    ...{ ...plan, min, max: Math.max(1, min + more) },
    ...{ idleTimeoutMs: 20, healthCheckAfterMs: 10 },
  }));

/** What came of it. */
class Account {
  /** In which order they asked, and were served. */
  readonly served: number[] = [];
  readonly ends: string[][] = [];
  readonly there: Set<string> = new Set();
  readonly inUse: Set<string> = new Set();
  most = 0;
  sharedBy = 0;
  least = Infinity;

  /** Has a sandbox of the pool for a while. */
  use(pool: SandboxPool, { forMs, leavesAfterMs }: Step & { type: 'use' }): void {
    const order = this.ends.push([]) - 1;
    const told = this.ends[order];
    const used$ = pool.withSandbox(({ id }) => {
      this.served.push(order);
      if (this.inUse.has(id)) this.sharedBy++;
      this.inUse.add(id);
      const over = (): void => void this.inUse.delete(id);
      return timer(forMs).pipe(tap({ complete: over, unsubscribe: over }));
    });
    const subscription = used$.subscribe({
      error: () => told?.push('error'),
      complete: () => told?.push('complete'),
    });
    if (leavesAfterMs === undefined) return;
    timer(leavesAfterMs).subscribe(() => {
      if (subscription.closed) return;
      subscription.unsubscribe();
      told?.push('left');
    });
  }
}

/** Lets it all happen in virtual time. */
function play({ slowMs, sickEvery, ...plan }: Plan, steps: readonly Step[]): Account {
  const { backend, sandbox } = memoryPlace();
  const client = new SandboxClient(slowBackend(backend, slowMs));
  const account = new Account();
  const { there } = account;
  marbles(({ expectObservable, flush }) => {
    backend.watch({}).subscribe(({ id, status }) => {
      if (status === 'deleted') there.delete(id);
      else if (id !== sandbox.id) there.add(id);
      account.most = Math.max(account.most, there.size);
    });
    let checks = 0;
    const healthCheck = (): Observable<boolean> =>
      timer(2).pipe(map(() => ++checks % sickEvery !== 0));
    const pool = new SandboxPool(client, { ...plan, healthCheck });
    let atMs = 0;
    for (const happening of steps) {
      if (happening.type === 'wait') atMs += happening.ms;
      else
        timer(atMs).subscribe(() => {
          if (happening.type === 'use') account.use(pool, happening);
          else {
            const id = [...there][happening.which];
            if (id !== undefined) backend.stop(id).subscribe();
          }
        });
    }
    timer(4000).subscribe(() => {
      account.least = there.size;
      pool.close().result$.subscribe();
    });
    expectObservable(NEVER, '5s !').toBe('-');
    flush();
  });
  return account;
}

describe('a pool of sandboxes, whatever is leased, given up or crashes', () => {
  it('keeps its promises', () => {
    fc.assert(
      fc.property(plans, fc.array(step, { maxLength: 25 }), (plan, steps) => {
        const account = play(plan, steps);
        // Never more than are allowed, none for two at a time, its minimum at rest, and nothing when it is closed.
        expect(account.most).toBeLessThanOrEqual(plan.max ?? 8);
        expect(account.sharedBy).toBe(0);
        expect(account.least).toBe(plan.min);
        expect(account.there.size).toBe(0);
        // Everybody is told one end, and nobody is served before one who came earlier.
        expect(account.ends.filter((told) => told.length !== 1)).toEqual([]);
        expect(account.served).toEqual(account.served.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });
});
