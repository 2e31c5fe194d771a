import { afterEach, describe, expect, it } from '@jest/globals';
import {
  range,
  Subject,
  take,
  VirtualTimeScheduler,
  type SchedulerAction,
  type Subscription,
} from 'rxjs';
import { coalesce, SandboxValidationError, type CoalesceConfig } from 'sandbox-rx';
import { marbles } from '../support/marbles.js';

/** Does not wait for the time that it is given. */
class AtOnceScheduler extends VirtualTimeScheduler {
  override schedule<T>(
    work: (this: SchedulerAction<T>, state?: T) => void,
    delay?: number,
    state?: T,
  ): Subscription {
    const action = super.schedule(work, delay, state);
    this.flush();
    return action;
  }
}

describe('coalesce', () => {
  it('emits one batch a period, and the last one before completion', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-b-c------d-|   ');
      const subscribed = ' ^-------------!   ';
      const expected = '   -----x--------(y|)';
      const values = { x: ['a', 'b', 'c'], y: ['d'] };

      expectObservable(source.pipe(coalesce({ periodMs: 4 }))).toBe(expected, values);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('emits the last batch before an error', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-#');
      expectObservable(source.pipe(coalesce({ periodMs: 9 }))).toBe('---(x#)', { x: ['a'] });
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('begins a period with the first value after a batch, so that nothing is scheduled while nothing comes', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('-a------b-c-d-|');
      const expected = '   ---x------y---(z|)';
      const values = { x: ['a'], y: ['b', 'c'], z: ['d'] };
      expectObservable(source.pipe(coalesce({ periodMs: 2 }))).toBe(expected, values);
    });
  });

  it('never emits an empty batch', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const empty = cold('---|');
      const never = cold('----');
      expectObservable(empty.pipe(coalesce({ periodMs: 1 }))).toBe('---|');
      expectObservable(never.pipe(coalesce({ periodMs: 1 }))).toBe('----');
      expectSubscriptions(empty.subscriptions).toBe('^--!');
      expectSubscriptions(never.subscriptions).toBe('^---');
    });
  });

  it('forgets the batch and unsubscribes when it is unsubscribed', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-b-c-d-|');
      const unsubscribe = '------!   ';
      const subscribed = ' ^-----!   ';
      expectObservable(source.pipe(coalesce({ periodMs: 3 })), unsubscribe).toBe('----x--', {
        x: ['a', 'b'],
      });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('keeps a batch for each subscription', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-|');
      const result$ = source.pipe(coalesce({ periodMs: 9 }));
      expectObservable(result$).toBe('        ---(x|)', { x: ['a'] });
      expectObservable(result$, '--^').toBe('-----(x|)', { x: ['a'] });
      expectSubscriptions(source.subscriptions).toBe(['^--!', '--^--!']);
    });
  });

  it('emits a synchronous source as one batch', () => {
    const seen: number[][] = [];
    range(0, 5)
      .pipe(coalesce())
      .subscribe((batch) => seen.push(batch));
    expect(seen).toEqual([[0, 1, 2, 3, 4]]);
  });

  it('hands a batch over for good: later ones do not touch it', () => {
    marbles(({ cold, flush }) => {
      const seen: string[][] = [];
      cold('ab---c|')
        .pipe(coalesce({ periodMs: 2 }))
        .subscribe((batch) => seen.push(batch));
      flush();
      expect(seen).toEqual([['a', 'b'], ['c']]);
    });
  });

  it('unsubscribes when its consumer has enough', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-b-c-d-|');
      expectObservable(source.pipe(coalesce({ periodMs: 2 }), take(1))).toBe('---(x|)', {
        x: ['a', 'b'],
      });
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  describe('without periodMs', () => {
    afterEach(() => {
      Reflect.deleteProperty(globalThis, 'requestAnimationFrame');
    });

    it('emits every 16 ms where there are no animation frames', () => {
      marbles(({ cold, expectObservable }) => {
        const source = cold('ab 18ms c-|');
        expectObservable(source.pipe(coalesce())).toBe('16ms x 5ms (y|)', {
          x: ['a', 'b'],
          y: ['c'],
        });
      });
    });

    it('emits once per animation frame where there are', () => {
      marbles(({ animate, cold, expectObservable }) => {
        Object.assign(globalThis, { requestAnimationFrame: () => 0 });
        animate('            ---x---x---x---x');
        const source = cold('-ab--c-----d|');
        expectObservable(source.pipe(coalesce())).toBe('---x---y----(z|)', {
          x: ['a', 'b'],
          y: ['c'],
          z: ['d'],
        });
      });
    });
  });

  it('takes its time from the scheduler that it is given', () => {
    const scheduler = new VirtualTimeScheduler();
    const source: Subject<string> = new Subject();
    const seen: [number, string[]][] = [];
    source
      .pipe(coalesce({ periodMs: 7, scheduler }))
      .subscribe((batch) => seen.push([scheduler.now(), batch]));
    source.next('a');
    scheduler.flush();
    expect(seen).toEqual([[7, ['a']]]);
  });

  it('needs no period for a scheduler: it emits every 16 ms, also where there are animation frames', () => {
    Object.assign(globalThis, { requestAnimationFrame: () => 0 });
    const scheduler = new VirtualTimeScheduler();
    const source: Subject<string> = new Subject();
    const seen: [number, string[]][] = [];
    source.pipe(coalesce({ scheduler })).subscribe((batch) => seen.push([scheduler.now(), batch]));
    Reflect.deleteProperty(globalThis, 'requestAnimationFrame');
    source.next('a');
    scheduler.flush();
    expect(seen).toEqual([[16, ['a']]]);
  });

  it('emits each value at once on a scheduler that runs everything at once', () => {
    const source: Subject<string> = new Subject();
    const seen: string[][] = [];
    source.pipe(coalesce({ periodMs: 7, scheduler: new AtOnceScheduler() })).subscribe((batch) => {
      seen.push(batch);
      if (batch[0] === 'b') source.next('in return');
    });
    for (const value of ['a', 'b', 'c']) source.next(value);
    expect(seen).toEqual([['a'], ['b'], ['in return'], ['c']]);
  });

  it.each([
    null,
    5,
    { periodMs: 0 },
    { periodMs: -1 },
    { periodMs: 1.5 },
    { periodMs: '16' },
    { periodMs: 2 ** 31 },
    { scheduler: 5 },
    { scheduler: {} },
  ])('throws at once for %p', (config) => {
    expect(() => coalesce(config as CoalesceConfig)).toThrow(SandboxValidationError);
  });
});
