import { describe, expect, it } from '@jest/globals';
import {
  runAll,
  SandboxClient,
  SandboxError,
  type CommandOutcome,
  type RetryOptions,
  type RunAllEvent,
  type Sandbox,
  type SandboxBackend,
} from 'sandbox-rx';
import { exit, type MemoryBackend, type Program } from 'sandbox-rx/testing';
import { marbles } from '../support/marbles.js';
import { brief, job, memoryPlace, record } from './fleet-kit.js';
import { lossyBackend } from './altered-backend.js';

/** A program whose runs exit with these statuses, the last again and again. */
function exits(...statuses: readonly number[]): Program {
  let runs = 0;
  return () => [exit(statuses[Math.min(runs++, statuses.length - 1)] ?? 0)];
}

const isRefused = ({ type }: CommandOutcome): boolean => type === 'finished';

function sandboxOf(backend: SandboxBackend): Sandbox {
  let sandbox: Sandbox | undefined;
  new SandboxClient(backend).create().result$.subscribe((made) => (sandbox = made));
  return sandbox!;
}

function idsOf({ runs }: MemoryBackend): readonly string[] {
  return runs.map(({ id }) => id);
}

describe('runAll with retry', () => {
  const told = {
    s: 'start 0',
    r: 'again 0 in 100',
    R: 'again 0 in 200',
    Q: 'again 0 in 250',
    w: 'exit 0: 0',
    x: 'exit 0: 1',
  };

  it('tries again what it is told to, each time after a longer while', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace({ flaky: exits(1, 1, 1, 0) });
      const retry = { count: 5, when: isRefused, delayMs: 100, maxDelayMs: 250 };
      expectObservable(runAll([['flaky']], { sandbox, retry }).pipe(brief())).toBe(
        '(sr) 96ms (sR) 196ms (sQ) 246ms (sw|)',
        told,
      );
      flush();
      expect(new Set(idsOf(backend)).size).toBe(4);
    });
  });

  it('gives up after so many', () => {
    marbles(({ expectObservable }) => {
      const { sandbox } = memoryPlace({ flaky: exits(1) });
      const retry = { count: 1, when: isRefused, delayMs: 100 };
      expectObservable(runAll([['flaky']], { sandbox, retry }).pipe(brief())).toBe(
        '(sr) 96ms (sx|)',
        told,
      );
    });
  });

  it('is not asked about a success', () => {
    const { sandbox } = memoryPlace();
    const retry = { when: () => true };
    marbles(({ expectObservable }) => {
      expectObservable(runAll([job(0)], { sandbox, retry }).pipe(brief())).toBe('(sw|)', told);
    });
  });

  it('tells which attempt it was, and what came of the one before', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace({ flaky: exits(3, 0) });
      const seen: RunAllEvent[] = [];
      const retry = { when: isRefused, delayMs: 1 };
      runAll([['flaky']], { sandbox, retry }).subscribe((event) => seen.push(event));
      expectObservable(runAll([], { sandbox })).toBe('|');
      flush();
      const [first, second] = idsOf(backend);
      expect(seen).toMatchObject([
        { type: 'started', attempt: 1, runId: first, progress: { retried: 0 } },
        {
          ...{ type: 'retrying', attempt: 1, runId: first, progress: { retried: 1 } },
          outcome: { type: 'finished', result: { returncode: 3 } },
        },
        { type: 'started', attempt: 2, runId: second },
        { type: 'finished', attempt: 2, runId: second, result: { returncode: 0 } },
      ]);
    });
  });

  it('keeps its place while it waits, and is not tried again after an unsubscription', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace({ flaky: exits(1) });
      const options = { sandbox, concurrency: 1, retry: { when: isRefused, delayMs: 100 } };
      expectObservable(runAll([['flaky'], job(0)], options).pipe(brief()), '50ms !').toBe(
        '(sr)',
        told,
      );
      flush();
      expect(backend.runs).toHaveLength(1);
    });
  });

  it('by itself tries nothing again that may have done something', () => {
    marbles(({ expectObservable }) => {
      const busy = new SandboxError('ERR_REMOTE', 'busy', {
        retryable: true,
        remote: { grpcCode: 14, retryDelayMs: 700 },
      });
      let runs = 0;
      const { sandbox } = memoryPlace({
        busy: () => {
          if (runs++ === 0) throw busy;
          return [exit(0)];
        },
        broken: () => {
          throw new SandboxError('ERR_REMOTE', 'broken');
        },
      });
      const values = { ...told, q: 'again 0 in 700', f: 'failed 0: ERR_REMOTE' };
      expectObservable(runAll([['busy']], { sandbox, retry: {} }).pipe(brief())).toBe(
        '(sq) 696ms (sw|)',
        values,
      );
      expectObservable(runAll([['broken']], { sandbox, retry: {} }).pipe(brief())).toBe(
        '(sf|)',
        values,
      );
      expectObservable(
        runAll([job(9, 1)], { sandbox, retry: {}, timeoutMs: 5 }).pipe(brief()),
      ).toBe('s 4ms (f|)', { ...values, f: 'failed 0: ERR_RUN_TIMEOUT' });
    });
  });

  it('errors with what its predicate throws, and kills what runs', () => {
    marbles(({ expectObservable, flush }) => {
      const { sandbox, backend } = memoryPlace();
      const broken = new Error('broken');
      const retry: RetryOptions = {
        when: () => {
          throw broken;
        },
      };
      const source = [job(30), job(10, 1)];
      expectObservable(runAll(source, { sandbox, retry }).pipe(brief())).toBe(
        '(st) 6ms (xw#)',
        { ...told, t: 'start 1', x: 'exit 1: 1', w: 'failed 0: ERR_CANCELLED' },
        broken,
      );
      flush();
      expect(backend.runs.map(({ state }) => state)).toEqual(['cancelled', 'exited']);
    });
  });

  it('starts nothing more when its predicate throws', () => {
    marbles(({ expectObservable, flush }) => {
      const broken = new Error('broken');
      const { sandbox, backend } = memoryPlace();
      const retry: RetryOptions = {
        when: () => {
          throw broken;
        },
      };
      const options = { sandbox, concurrency: 1, retry };
      expectObservable(runAll([job(10, 1), job(10)], options).pipe(brief())).toBe(
        's 9ms (x#)',
        told,
        broken,
      );
      flush();
      expect(backend.runs).toHaveLength(1);
    });
  });

  describe('after a lost connection', () => {
    it('goes on with the run that goes on, and does not start it twice', () => {
      marbles(({ expectObservable, flush }) => {
        const { backend } = memoryPlace();
        const sandbox = sandboxOf(lossyBackend(backend, 2));
        const options = { sandbox, retry: { delayMs: 100 } };
        expectObservable(runAll([job(400)], options).pipe(brief())).toBe(
          '(sr) 96ms (sR) 196ms s 99ms (w|)',
          told,
        );
        flush();
        expect(idsOf(backend)).toHaveLength(1);
      });
    });

    it('finds the result of a run that ended meanwhile, by the id that was given', () => {
      marbles(({ expectObservable, flush }) => {
        const { backend } = memoryPlace();
        const sandbox = sandboxOf(lossyBackend(backend, 1));
        const source = [{ command: job(5), options: { id: 'build' } }];
        const options = { sandbox, retry: { delayMs: 100 } };
        expectObservable(runAll(source, options).pipe(brief())).toBe('(sr) 96ms (sw|)', told);
        flush();
        expect(idsOf(backend)).toEqual(['build']);
      });
    });

    it('looks for it in the sandbox that was made for it', () => {
      marbles(({ expectObservable, flush }) => {
        const { backend } = memoryPlace();
        const client = new SandboxClient(lossyBackend(backend, 1));
        const options = { client, retry: { delayMs: 100 } };
        expectObservable(runAll([job(150)], options).pipe(brief())).toBe(
          '(sr) 96ms s 49ms (w|)',
          told,
        );
        flush();
        expect(idsOf(backend)).toHaveLength(1);
      });
    });

    it('gives up after so many, asking once each time', () => {
      marbles(({ expectObservable, flush }) => {
        const { backend } = memoryPlace();
        const sandbox = sandboxOf(lossyBackend(backend, 3));
        const asked: number[] = [];
        const when = ({ attempt }: CommandOutcome): boolean => asked.push(attempt) > 0;
        const options = { sandbox, retry: { count: 1, delayMs: 100, when } };
        expectObservable(runAll([job(400)], options).pipe(brief())).toBe('(sr) 96ms (sf|)', {
          ...told,
          f: 'failed 0: ERR_CONNECTION_LOST',
        });
        flush();
        expect(asked).toEqual([1]);
      });
    });

    it('does not run it again where it could not be found', () => {
      const { backend } = memoryPlace();
      const lossy = lossyBackend(backend, 9);
      const capabilities = { ...backend.capabilities, attach: false };
      const unfindable = new Proxy(lossy, {
        get: (target, name): unknown =>
          name === 'capabilities' ? capabilities : Reflect.get(target, name),
      });
      const { seen } = record(runAll([job(5)], { sandbox: sandboxOf(unfindable), retry: {} }));
      expect(seen).toMatchObject([
        { type: 'started' },
        { type: 'failed', error: { code: 'ERR_CONNECTION_LOST' } },
      ]);
    });
  });
});
