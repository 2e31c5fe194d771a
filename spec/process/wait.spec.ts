import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CancelledError, SandboxValidationError, TimeoutError, type WaitOptions } from 'sandbox-rx';
import { DrivenRun, outcome } from '../support/driven-process.js';

/** `wait` and `result` differ only in what they give of the result. */
const waits = [
  ['wait', (run: DrivenRun, timeout?: number | WaitOptions) => run.process.wait(timeout), 5],
  [
    'result',
    (run: DrivenRun, timeout?: number | WaitOptions) => run.process.result(timeout),
    { returncode: 5 },
  ],
] as const;

describe.each(waits)('%s', (_name, wait, value) => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const matching = { value: typeof value === 'number' ? value : expect.objectContaining(value) };

  it('gives the outcome of a run that ends later, and of one that has ended', async () => {
    const run = new DrivenRun();
    const early = outcome<unknown>(wait(run));
    run.exit(5);
    expect(await early).toEqual(matching);
    expect(await outcome<unknown>(wait(run))).toEqual(matching);
  });

  it('gives up with a TimeoutError when the time is up; the process runs on and may be waited for again', async () => {
    const run = new DrivenRun();
    const given = outcome<unknown>(wait(run, 1000));
    await jest.advanceTimersByTimeAsync(999);
    expect(jest.getTimerCount()).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    const ended = await given;

    expect(ended).toEqual({ error: expect.any(TimeoutError) });
    expect(ended).toMatchObject({ error: { code: 'ERR_WAIT_TIMEOUT', retryable: true } });
    expect([run.observed, run.killed, run.process.state]).toEqual([true, 0, 'starting']);
    const again = outcome<unknown>(wait(run, { timeoutMs: 1000 }));
    run.exit(5);
    expect(await again).toEqual(matching);
  });

  it('leaves no timer behind when the run ends first', async () => {
    const run = new DrivenRun();
    const given = outcome<unknown>(wait(run, 1000));
    run.exit(5);
    await given;
    expect(jest.getTimerCount()).toBe(0);
  });

  it('sets no timer for a run that is over, and none without a timeout', async () => {
    const run = new DrivenRun();
    const patient = wait(run);
    expect(jest.getTimerCount()).toBe(0);
    run.exit(5);
    await patient;
    const late = wait(run, 1000);
    expect(jest.getTimerCount()).toBe(0);
    await late;
  });

  it('takes 0 for as soon as it has asked', async () => {
    const run = new DrivenRun();
    const given = outcome<unknown>(wait(run, 0));
    await jest.advanceTimersByTimeAsync(0);
    expect(await given).toEqual({ error: expect.any(TimeoutError) });
  });

  it('gives up with a CancelledError when its signal is aborted; the process runs on', async () => {
    const run = new DrivenRun();
    const abort = new AbortController();
    const given = outcome<unknown>(wait(run, { signal: abort.signal, timeoutMs: 1000 }));
    await Promise.resolve();
    const reason = new Error('enough');
    abort.abort(reason);

    expect(await given).toEqual({ error: expect.any(CancelledError) });
    expect(await given).toMatchObject({ error: { code: 'ERR_CANCELLED', cause: reason } });
    expect([run.observed, jest.getTimerCount()]).toEqual([true, 0]);
    run.exit(5);
    expect(await outcome<unknown>(wait(run))).toEqual(matching);
  });

  it('gives up at once with a signal that is aborted already, unless the run is over', async () => {
    const run = new DrivenRun();
    const signal = AbortSignal.abort();
    expect(await outcome<unknown>(wait(run, { signal }))).toEqual({
      error: expect.any(CancelledError),
    });
    run.exit(5);
    expect(await outcome<unknown>(wait(run, { signal }))).toEqual(matching);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    const run = new DrivenRun();
    const given = wait(run, { signal });
    run.exit(5);
    await given;
    expect(added.mock.calls.length).toBe(1);
    expect(removed.mock.calls.map(([type, listener]) => [type, listener])).toEqual(
      added.mock.calls.map(([type, listener]) => [type, listener]),
    );
  });

  it("rejects with the run's own error, the same one at each call", async () => {
    const run = new DrivenRun();
    const error = new Error('no');
    const early = outcome<unknown>(wait(run, 1000));
    run.fail(error);
    const ends = [
      await early,
      await outcome<unknown>(wait(run)),
      await outcome<unknown>(wait(run, 5)),
    ];
    for (const ended of ends) expect((ended as { error: unknown }).error).toBe(error);
  });

  it('rejects with a CancelledError after cancel(), the same one at each call', async () => {
    const run = new DrivenRun({ id: 'build' });
    const early = outcome<unknown>(wait(run));
    run.process.cancel();
    const [first, second] = [await early, await outcome<unknown>(wait(run))] as {
      error: unknown;
    }[];
    expect(first?.error).toBeInstanceOf(CancelledError);
    expect(first).toMatchObject({ error: { code: 'ERR_CANCELLED', runId: 'build' } });
    expect(second?.error).toBe(first?.error);
  });

  it.each([
    -1,
    1.5,
    NaN,
    Infinity,
    2 ** 31,
    '5',
    null,
    true,
    [],
    { timeoutMs: '5' },
    { timeoutMs: -1 },
    { signal: 5 },
    { signal: {} },
  ])('rejects with a SandboxValidationError for %p, also when the run is over', async (timeout) => {
    const run = new DrivenRun();
    expect(await outcome<unknown>(wait(run, timeout as number))).toEqual({
      error: expect.any(SandboxValidationError),
    });
    run.exit();
    expect(await outcome<unknown>(wait(run, timeout as number))).toEqual({
      error: expect.any(SandboxValidationError),
    });
    expect(run.killed).toBe(0);
  });
});
