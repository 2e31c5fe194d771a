import { describe, expect, it } from '@jest/globals';
import {
  asyncScheduler,
  map,
  NEVER,
  of,
  Subject,
  take,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import {
  CancelledError,
  runAll,
  SandboxPool,
  SandboxValidationError,
  type Sandbox,
  type SandboxLease,
  type SandboxPoolOptions,
  type SandboxPoolState,
} from 'sandbox-rx';
import type { MemoryBackend } from 'sandbox-rx/testing';
import { marbles } from '../support/marbles.js';
import { subscribeTooLate } from '../support/too-late.js';
import { brief, job, memoryPlace, record } from './fleet-kit.js';

interface Pooled {
  readonly pool: SandboxPool;
  readonly backend: MemoryBackend;
  /** The ids of its sandboxes that there are. */
  ids(): readonly string[];
}

function pooled(options: SandboxPoolOptions = {}): Pooled {
  const { client, backend } = memoryPlace();
  const pool = new SandboxPool(client, options);
  const ids = (): readonly string[] => {
    const found: string[] = [];
    backend.list({ tags: [pool.tag] }).subscribe(({ id }) => found.push(id));
    return found;
  };
  return { pool, backend, ids };
}

/** How a pool stands, in short: idle, leased, waiting. */
const short = map(({ status, idle, leased, waiting }: SandboxPoolState) =>
  status === 'open' ? [idle, leased, waiting].join() : status,
);

function leaseOf(pool: SandboxPool): { lease?: SandboxLease; error?: unknown } {
  const got: { lease?: SandboxLease; error?: unknown } = {};
  pool.acquire().result$.subscribe({
    next: (lease) => (got.lease = lease),
    error: (error: unknown) => (got.error = error),
  });
  return got;
}

/** Has a sandbox for so long. */
function busy(ms: number): (sandbox: Sandbox) => Observable<string> {
  return ({ id }) => timer(ms).pipe(map(() => id));
}

/** Lets so much virtual time pass. */
function during(ms: number, check: () => void): void {
  timer(ms).subscribe(check);
}

describe('a pool of sandboxes', () => {
  it('makes its minimum before anybody asks, and more only when somebody waits', () => {
    const { pool, ids } = pooled({ min: 2, max: 3 });
    expect(ids()).toHaveLength(2);
    const leases = [leaseOf(pool), leaseOf(pool), leaseOf(pool), leaseOf(pool)];
    expect(leases.map(({ lease }) => lease?.sandbox.id)).toEqual([
      ...[...ids().slice(0, 2)].reverse(),
      ids()[2],
      undefined,
    ]);
    expect(record(pool.state$).seen.at(-1)).toEqual({
      ...{ status: 'open', idle: 0, leased: 3, starting: 0, deleting: 0, waiting: 1 },
    });
  });

  it('leases a sandbox to one at a time, and serves who waits longest first', () => {
    marbles(({ expectObservable }) => {
      const { pool, ids } = pooled({ max: 1 });
      const [id] = ids();
      expectObservable(pool.withSandbox(busy(3))).toBe('3ms (a|)', { a: id });
      expectObservable(pool.withSandbox(busy(2))).toBe('5ms (a|)', { a: id });
      expectObservable(pool.withSandbox(busy(4))).toBe('9ms (a|)', { a: id });
    });
  });

  it('gives up the place of who leaves', () => {
    const { pool } = pooled({ max: 1 });
    const first = leaseOf(pool);
    const operation = pool.acquire();
    const third = leaseOf(pool);
    expect(operation.cancel()).toBe(true);
    first.lease?.release();
    expect(third.lease?.sandbox.id).toBe(first.lease?.sandbox.id);
  });

  it('leases nothing to who has left before', () => {
    const { pool } = pooled({ max: 1 });
    subscribeTooLate(pool.withSandbox(() => NEVER));
    expect(record(pool.state$.pipe(short)).seen).toEqual(['1,0,0']);
    expect(leaseOf(pool).lease).toBeDefined();
  });

  it('gives a sandbox back before completion, after an error and on unsubscribing', () => {
    const { pool, ids } = pooled({ max: 1 });
    const state = (): string | undefined => record(pool.state$.pipe(short)).seen.at(-1);
    const seen: unknown[] = [];
    pool.withSandbox(({ id }) => of(id)).subscribe({ complete: () => seen.push(state()) });
    expect(seen).toEqual(['1,0,0']);
    const broken = new Error('broken');
    expect(record(pool.withSandbox(() => throwError(() => broken))).end).toBe(broken);
    expect(state()).toBe('1,0,0');
    const thrown = pool.withSandbox(() => {
      throw broken;
    });
    expect(record(thrown).end).toBe(broken);
    const subscription = pool.withSandbox(() => NEVER).subscribe();
    expect(state()).toBe('0,1,0');
    subscription.unsubscribe();
    expect(state()).toBe('1,0,0');
    expect(record(pool.withSandbox(() => of(1, 2)).pipe(take(1)))).toMatchObject({ seen: [1] });
    expect(state()).toBe('1,0,0');
    expect(ids()).toHaveLength(1);
  });

  it('releases a lease once, and at the end of its block', () => {
    const { pool } = pooled({ max: 1 });
    {
      using lease = leaseOf(pool).lease!;
      lease.release();
      lease.release();
      leaseOf(pool);
    }
    expect(record(pool.state$.pipe(short)).seen.at(-1)).toBe('0,1,0');
  });

  it('deletes what has not been needed for long, but for its minimum', () => {
    marbles(({ expectObservable, flush }) => {
      const { pool, ids } = pooled({ min: 1, max: 3, idleTimeoutMs: 50 });
      const counts: number[] = [];
      for (const ms of [10, 20, 30]) pool.withSandbox(busy(ms)).subscribe();
      for (const ms of [5, 59, 61, 71, 500]) during(ms, () => counts.push(ids().length));
      expectObservable(NEVER, '600ms !').toBe('-');
      flush();
      expect(counts).toEqual([3, 3, 2, 1, 1]);
    });
  });

  it('replaces a sandbox after so many leases', () => {
    const { pool, ids } = pooled({ max: 1, maxLeases: 2 });
    const used: string[] = [];
    for (let turn = 0; turn < 5; turn++)
      pool.withSandbox(({ id }) => of(id)).subscribe((id) => used.push(id));
    expect(used.map((id) => used.indexOf(id))).toEqual([0, 0, 2, 2, 4]);
    expect(ids()).toEqual([used[4]]);
  });

  it('replaces a sandbox that ends by itself, idle or leased, and tells its lease', () => {
    const { pool, backend, ids } = pooled({ max: 1 });
    leaseOf(pool).lease?.release();
    const [first = ''] = ids();
    backend.stop(first).subscribe();
    const [second = first] = ids();
    expect(second).not.toBe(first);

    const used = record(pool.withSandbox(() => NEVER));
    const waiting = leaseOf(pool);
    backend.stop(second).subscribe();
    expect(used.end).toMatchObject({ code: 'ERR_SANDBOX_OVER', sandboxId: second });
    expect(ids()).toEqual([waiting.lease?.sandbox.id]);

    const lost = record(waiting.lease!.lost$);
    backend.delete(waiting.lease!.sandbox.id).subscribe();
    expect(lost.end).toMatchObject({ code: 'ERR_SANDBOX_OVER' });
    waiting.lease?.release();
    expect(ids()).toHaveLength(1);
    expect(record(pool.state$.pipe(short)).seen).toEqual(['1,0,0']);
  });

  it('asks for the health of what has been idle for long, and replaces what is sick', () => {
    marbles(({ expectObservable, flush }) => {
      const asked: string[] = [];
      const sick: Set<string> = new Set();
      const { pool, ids } = pooled({
        max: 1,
        healthCheckAfterMs: 100,
        healthCheckTimeoutMs: 20,
        healthCheck: ({ id }) => {
          asked.push(id);
          if (sick.has(id)) return NEVER;
          return timer(5).pipe(map(() => asked.length < 3));
        },
      });
      const [first = ''] = ids();
      const seen: string[] = [];
      const use = (): void => {
        pool.withSandbox(busy(1)).subscribe((id) => seen.push(id));
      };
      use();
      during(50, use);
      during(200, use);
      during(400, () => {
        sick.add(first);
        use();
      });
      expectObservable(NEVER, '600ms !').toBe('-');
      flush();
      expect(asked).toEqual([first, first]);
      expect(seen.slice(0, 3)).toEqual([first, first, first]);
      expect(seen).toHaveLength(4);
      expect(seen[3]).not.toBe(first);
      expect(ids()).toEqual([seen[3]]);
    });
  });

  it('asks for the health of no more than somebody waits for', () => {
    marbles(({ expectObservable, flush }) => {
      let asked = 0;
      const healthCheck = (): Observable<number> => timer(5).pipe(tap(() => asked++));
      const { pool } = pooled({ min: 3, healthCheckAfterMs: 10, healthCheck });
      during(20, () => pool.withSandbox(busy(1)).subscribe());
      expectObservable(NEVER, '50ms !').toBe('-');
      flush();
      expect(asked).toBe(1);
    });
  });

  it('tells who waits why a sandbox could not be made, and goes on trying for its minimum', () => {
    marbles(({ expectObservable, flush }) => {
      const { client, backend } = memoryPlace();
      // The memory backend has no services, and refuses those who want one.
      const pool = new SandboxPool(client, { min: 1, spec: { services: [{ port: 80 }] } });
      expect(leaseOf(pool).error).toMatchObject({ code: 'ERR_UNSUPPORTED' });
      const state = record(pool.state$).seen.at(-1);
      expect(state).toMatchObject({ idle: 0, error: { code: 'ERR_UNSUPPORTED' } });
      let asked = 0;
      const create = backend.create.bind(backend);
      backend.create = ({ services, ...spec }) =>
        create(++asked > 2 ? spec : { ...spec, services: services ?? [] });
      expectObservable(NEVER, '20s !').toBe('-');
      flush();
      expect(asked).toBe(3);
      expect(record(pool.state$.pipe(short)).seen.at(-1)).toBe('1,0,0');
    });
  });

  it('deletes everything when it is closed, and tells who has a lease and who waits', async () => {
    const { pool, ids } = pooled({ max: 1 });
    const used = record(pool.withSandbox(() => NEVER));
    const waiting = record(pool.withSandbox(() => NEVER));
    const states = record(pool.state$.pipe(short));
    await pool.close();
    expect([used.end, waiting.end]).toEqual([
      expect.any(CancelledError),
      expect.any(CancelledError),
    ]);
    expect(ids()).toEqual([]);
    expect(states.end).toBe('complete');
    expect(states.seen.at(-1)).toBe('closed');
    await expect(pool.acquire()).rejects.toThrow(CancelledError);
    await pool.close();
  });

  it('rests after each sandbox that ends before it was leased, and longer each time', () => {
    marbles(({ expectObservable, flush }) => {
      const { client, backend } = memoryPlace();
      const spec = { command: job(1, 1), tags: ['short'] };
      const pool = new SandboxPool(client, { max: 1, spec });
      const madeAt: number[] = [];
      backend.watch({ tags: ['short'] }).subscribe(({ status }) => {
        if (status === 'running') madeAt.push(asyncScheduler.now());
      });
      const errors: unknown[] = [];
      pool.state$.subscribe(({ error }) => errors.push(error));
      during(16_000, () => void pool.close());
      expectObservable(NEVER, '17s !').toBe('-');
      flush();
      // A millisecond each to end, and 1, 2, 4 and 8 seconds after it.
      expect(madeAt).toEqual([0, 1001, 3002, 7003, 15_004]);
      expect(errors).toContainEqual(expect.objectContaining({ code: 'ERR_SANDBOX_OVER' }));
    });
  });

  it('makes its minimum at once again when one was of use', () => {
    marbles(({ expectObservable, flush }) => {
      const { pool, backend, ids } = pooled({ max: 1 });
      backend.stop(ids()[0] ?? '').subscribe();
      expect(ids()).toEqual([]);
      const used = leaseOf(pool);
      used.lease?.discard();
      expect(ids()).toHaveLength(1);
      backend.stop(ids()[0] ?? '').subscribe();
      const counts: number[] = [];
      for (const ms of [999, 1001]) during(ms, () => counts.push(ids().length));
      expectObservable(NEVER, '2s !').toBe('-');
      flush();
      expect(counts).toEqual([0, 1]);
    });
  });

  it('tells who waits that the sandbox that was made for him failed its health check', () => {
    const sick = new Error('sick');
    const asked: string[] = [];
    const healthCheck = ({ id }: Sandbox): Observable<never> => {
      asked.push(id);
      return throwError(() => sick);
    };
    const { pool, ids } = pooled({ max: 1, healthCheckAfterMs: 0, healthCheck });
    expect(leaseOf(pool).error).toMatchObject({ code: 'ERR_SANDBOX_OVER', cause: sick });
    // One that was there, and one that was made for him.
    expect(new Set(asked).size).toBe(2);
    expect(ids()).toEqual([]);
    expect(record(pool.state$).seen).toMatchObject([{ idle: 0, error: { cause: sick } }]);
    pool.close();
  });

  it('tells who waits that the sandbox that was made for him ended while it was asked for its health', () => {
    const { pool, backend, ids } = pooled({
      ...{ min: 0, max: 1, healthCheckAfterMs: 0, healthCheck: () => NEVER },
    });
    const waiting = leaseOf(pool);
    const [id = ''] = ids();
    backend.stop(id).subscribe();
    expect(waiting.error).toMatchObject({ code: 'ERR_SANDBOX_OVER', sandboxId: id });
    pool.close();
  });

  it('leaves the health checks that go on when it is closed', () => {
    const health: Subject<boolean> = new Subject();
    const { pool } = pooled({ max: 1, healthCheckAfterMs: 0, healthCheck: () => health });
    const waiting = leaseOf(pool);
    const states = record(pool.state$);
    expect(health.observed).toBe(true);
    pool.close();
    expect(health.observed).toBe(false);
    expect(waiting.error).toEqual(expect.any(CancelledError));
    expect(states.end).toBe('complete');
    expect(states.seen.at(-1)).toMatchObject({ status: 'closed', starting: 0 });
  });

  it('is closed at the end of its block', async () => {
    let ids: () => readonly string[] = () => ['not asked'];
    {
      const pooling = pooled({ min: 3 });
      await using pool = pooling.pool;
      ({ ids } = pooling);
      expect(ids()).toHaveLength(3);
      leaseOf(pool);
    }
    expect(ids()).toEqual([]);
  });

  it('serves runAll: each command has a sandbox for itself', () => {
    marbles(({ expectObservable, flush }) => {
      const { pool, backend } = pooled({ min: 0, max: 2 });
      const all$ = runAll([job(10), job(20), job(10)], { pool, concurrency: 3 });
      expectObservable(all$.pipe(brief())).toBe('(st) 6ms (ua) 6ms (bc|)', {
        ...{ s: 'start 0', t: 'start 1', u: 'start 2' },
        ...{ a: 'exit 0: 0', b: 'exit 1: 0', c: 'exit 2: 0' },
      });
      flush();
      const used = backend.runs.map(({ sandboxId }) => sandboxId);
      expect(used.map((id) => used.indexOf(id))).toEqual([0, 1, 0]);
    });
  });

  it('serves runAll: a command whose sandbox ended is told as failed, and tried again in another', () => {
    marbles(({ expectObservable, flush }) => {
      const { pool, backend, ids } = pooled({ max: 1 });
      const retry = { when: () => true, delayMs: 5 };
      during(5, () => backend.stop(ids()[0] ?? '').subscribe());
      expectObservable(runAll([job(10)], { pool, retry }).pipe(brief())).toBe(
        's 4ms r 4ms s 9ms (a|)',
        { s: 'start 0', r: 'again 0 in 5', a: 'exit 0: 0' },
      );
      flush();
      expect(new Set(backend.runs.map(({ sandboxId }) => sandboxId)).size).toBe(2);
    });
  });

  it.each<unknown>([
    null,
    { min: -1 },
    { max: 0 },
    { min: 3, max: 2 },
    { idleTimeoutMs: -1 },
    { maxLeases: 0 },
    { healthCheck: 'always' },
    { healthCheckAfterMs: '1' },
    { healthCheckTimeoutMs: NaN },
    { scheduler: 5 },
    { spec: { tags: 5 } },
    { spec: { id: 'one' } },
  ])('refuses options at once: %j', (options) => {
    const { client } = memoryPlace();
    expect(() => new SandboxPool(client, options as SandboxPoolOptions)).toThrow(
      SandboxValidationError,
    );
  });
});
