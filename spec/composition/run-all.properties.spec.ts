import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { concat, delay as later, finalize, from, NEVER, of, tap, type Observable } from 'rxjs';
import {
  runAll,
  type CommandInput,
  type CommandOutcome,
  type RunAllEvent,
  type RunAllOptions,
} from 'sandbox-rx';
import { exit, type Program, type ProgramStep } from 'sandbox-rx/testing';
import { marbles } from '../support/marbles.js';
import { memoryPlace, type MemoryPlace } from './fleet-kit.js';

/** What becomes of one command: its exits one after another, or that it cannot be started. */
interface Fate {
  readonly ms: number;
  readonly statuses: readonly number[];
  readonly kind: 'program' | 'absent' | 'bad';
  readonly timeoutMs: number | undefined;
}

interface Schedule {
  readonly fates: readonly Fate[];
  readonly arrivesEveryMs: number | undefined;
  readonly breaks: boolean;
  readonly leavesAtMs: number | undefined;
  readonly place: 'sandbox' | 'client';
  readonly options: Omit<RunAllOptions, 'sandbox' | 'client' | 'retry'>;
  readonly retries: number | undefined;
}

const fate: fc.Arbitrary<Fate> = fc.record({
  ms: fc.integer({ min: 0, max: 20 }),
  statuses: fc.array(fc.constantFrom(0, 0, 1), { minLength: 1, maxLength: 3 }),
  kind: fc.constantFrom<Fate['kind'][]>('program', 'program', 'program', 'absent', 'bad'),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 3 }),
});

const options: fc.Arbitrary<Schedule['options']> = fc.record(
  {
    concurrency: fc.integer({ min: 1, max: 5 }),
    ordered: fc.boolean(),
    maxHeld: fc.integer({ min: 1, max: 4 }),
    stopOnError: fc.boolean(),
    check: fc.boolean(),
    output: fc.boolean(),
    totalTimeoutMs: fc.integer({ min: 1, max: 100 }),
  },
  { requiredKeys: ['concurrency', 'ordered'] },
);

const schedule: fc.Arbitrary<Schedule> = fc.record({
  fates: fc.array(fate, { maxLength: 12 }),
  arrivesEveryMs: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  breaks: fc.boolean(),
  leavesAtMs: fc.option(fc.integer({ min: 0, max: 80 }), { nil: undefined, freq: 2 }),
  place: fc.constantFrom<Schedule['place'][]>('sandbox', 'client'),
  options,
  retries: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
});

/** What came of a schedule. */
interface Account {
  readonly events: readonly RunAllEvent[];
  readonly end: string;
  readonly mostLive: number;
  readonly startedAfterEnd: number;
  readonly unfinished: number;
  readonly sandboxesLeft: number;
}

/** Runs it in virtual time. */
function play(plan: Schedule): Account {
  const events: RunAllEvent[] = [];
  const runs: Map<string, number> = new Map();
  let end = 'none';
  let live = 0;
  let mostLive = 0;
  let startedAfterEnd = 0;
  const program: Program = ({ command: [, index = ''] }): Observable<ProgramStep> => {
    const { ms = 0, statuses = [] } = plan.fates[Number(index)] ?? {};
    const run = runs.get(index) ?? 0;
    runs.set(index, run + 1);
    mostLive = Math.max(mostLive, ++live);
    if (end !== 'none') startedAfterEnd++;
    const status = statuses[Math.min(run, statuses.length - 1)] ?? 0;
    // Over with its exit, or when it is killed.
    let isLive = true;
    const over = (): void => {
      if (isLive) live--;
      isLive = false;
    };
    return of(exit(status)).pipe(later(ms), tap(over), finalize(over));
  };
  const place = memoryPlace({ program });
  marbles(({ expectObservable, flush }) => {
    const { retries } = plan;
    const when = ({ type }: CommandOutcome): boolean => type === 'finished';
    const all$ = runAll(sourceOf(plan), {
      ...plan.options,
      [plan.place]: place[plan.place],
      ...(retries !== undefined && { retry: { count: retries, when, delayMs: 3 } }),
    });
    const subscription = all$.subscribe({
      next: (event) => events.push(event),
      error: () => (end = 'error'),
      complete: () => (end = 'complete'),
    });
    if (plan.leavesAtMs !== undefined) {
      of(0)
        .pipe(later(plan.leavesAtMs))
        .subscribe(() => {
          subscription.unsubscribe();
          if (end === 'none') end = 'left';
        });
    }
    expectObservable(NEVER, '2000ms !').toBe('-');
    flush();
  });
  const unfinished = place.backend.runs.filter(({ state }) => state === 'running').length;
  return { events, end, mostLive, startedAfterEnd, unfinished, sandboxesLeft: countOf(place) };
}

function countOf({ backend }: MemoryPlace): number {
  let count = 0;
  backend.list({}).subscribe(() => count++);
  return count;
}

function sourceOf({
  fates,
  arrivesEveryMs,
  breaks,
}: Schedule): Observable<CommandInput> | CommandInput[] {
  const commands = fates.map(({ kind, timeoutMs }, index): CommandInput => {
    if (kind === 'bad') return [];
    const command = [kind, String(index)];
    return { command, options: timeoutMs === undefined ? {} : { timeoutMs } };
  });
  if (arrivesEveryMs === undefined) return commands;
  const arriving = commands.map((command) => of(command).pipe(later(arrivesEveryMs)));
  return concat(...arriving, breaks ? NEVER : from([]));
}

function isOutcome(event: RunAllEvent): event is RunAllEvent & CommandOutcome {
  return event.type === 'finished' || event.type === 'failed';
}

describe('runAll, whatever exits, fails, is tried again or given up', () => {
  it('keeps its promises', () => {
    fc.assert(
      fc.property(schedule, (plan) => {
        const { events, end, ...account } = play(plan);
        const outcomes = events.filter(isOutcome).map(({ index }) => index);
        const told = new Set(events.map(({ index }) => index));

        // Each outcome once, and of each command that was begun unless the consumer left.
        expect(new Set(outcomes).size).toBe(outcomes.length);
        if (end === 'complete' || end === 'error') expect(outcomes).toHaveLength(told.size);
        if (end === 'complete') expect(outcomes).toHaveLength(plan.fates.length);
        if (plan.options.ordered === true) expect(outcomes).toEqual([...outcomes.keys()]);

        // Nothing of a command after its outcome.
        for (const index of outcomes) {
          const last = events.findLast((event) => event.index === index);
          expect(last && isOutcome(last)).toBe(true);
        }

        // As many at a time as are allowed, and none at the end.
        expect(account.mostLive).toBeLessThanOrEqual(plan.options.concurrency ?? 8);
        expect(account).toMatchObject({ startedAfterEnd: 0, unfinished: 0, sandboxesLeft: 1 });
        for (const { progress } of events)
          expect(progress.running).toBeLessThanOrEqual(plan.options.concurrency ?? 8);
        expect(events.at(-1)?.progress.retried ?? 0).toBe(
          events.filter(({ type }) => type === 'retrying').length,
        );
      }),
      { numRuns: 500 },
    );
  });
});
