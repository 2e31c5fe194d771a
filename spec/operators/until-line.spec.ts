import { describe, expect, it } from '@jest/globals';
import { from, of } from 'rxjs';
import {
  CancelledError,
  OutputLimitError,
  SandboxExecutionError,
  SandboxValidationError,
  TimeoutError,
  untilLine,
  waitForLine,
} from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { DrivenRun, outcome } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { itObeysTheOperatorLaws } from './operator-laws.js';

describe('untilLine', () => {
  itObeysTheOperatorLaws(() => untilLine(/absent/), { value: 'a\n', emitted: 'a' });

  it('emits the lines up to the first that matches, and leaves the source', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a-----b-----c-->', { a: 'start\nlis', b: 'tening\nmore\n', c: 'x' });
      const subscribed = ' ^-------!';
      expectObservable(source.pipe(untilLine(/listen/))).toBe('--x-----(y|)', {
        x: 'start',
        y: 'listening',
      });
      expectSubscriptions(source.subscriptions).toBe(subscribed);
    });
  });

  it('finds a last line without a terminator', () => {
    const seen: string[] = [];
    of(bytes('a\nrea'), bytes('dy'))
      .pipe(untilLine(/^ready$/))
      .subscribe((line) => seen.push(line));
    expect(seen).toEqual(['a', 'ready']);
  });

  it('tries each line from its start, whatever the flags of the pattern', () => {
    const pattern = /ready/g;
    pattern.lastIndex = 3;
    for (let time = 0; time < 2; time++) {
      const seen: string[] = [];
      from(['ready\nmore\n'])
        .pipe(untilLine(pattern))
        .subscribe((line) => seen.push(line));
      expect(seen).toEqual(['ready']);
    }
  });

  it.each([undefined, 'ready', 5, {}])('throws at once for %p', (pattern) => {
    expect(() => untilLine(pattern as RegExp)).toThrow(SandboxValidationError);
  });
});

describe('waitForLine', () => {
  it('gives what the pattern found, and lets the process run on', async () => {
    const run = new DrivenRun();
    const waiting = waitForLine(run.process, /on (\d+)/);
    run.out('start\nlistening ');
    run.out('on 8080\nmore\n');
    expect([...(await waiting)]).toEqual(['on 8080', '8080']);
    expect(run.killed).toBe(0);
    expect(run.process.state).toBe('running');
  });

  it('looks at both streams, or at the one that is named', async () => {
    const run = new DrivenRun();
    const any = waitForLine(run.process, /ready/);
    const out = waitForLine(run.process, /ready/, { stream: 'stdout' });
    run.err('ready: err\n');
    expect((await any).input).toBe('ready: err');
    run.out('ready: out\n');
    expect((await out).input).toBe('ready: out');
  });

  it('finds a line that was written before', async () => {
    const run = new DrivenRun();
    run.out('ready\nmore\n');
    expect((await waitForLine(run.process, /ready/)).input).toBe('ready');
  });

  it('says how the process ended where no line matched', async () => {
    const run = new DrivenRun();
    const waiting = outcome(waitForLine(run.process, /ready/));
    run.out('almost\n');
    run.exit(3);
    const { error } = (await waiting) as { error: SandboxExecutionError };
    expect(error).toBeInstanceOf(SandboxExecutionError);
    expect(error.reason).toBe('process_over');
    expect(error.message).toContain(
      'ended with status 3 before a line of its output matched /ready/',
    );
  });

  it('fails as the run does', async () => {
    const run = new DrivenRun();
    const waiting = outcome(waitForLine(run.process, /ready/));
    const torn = new Error('torn');
    run.fail(torn);
    expect(await waiting).toEqual({ error: torn });
  });

  it('is given up after its time, and when it is aborted; the process runs on', async () => {
    const run = new DrivenRun();
    const late = await outcome(waitForLine(run.process, /ready/, { timeoutMs: 1 }));
    expect(late).toMatchObject({ error: expect.any(TimeoutError) });
    const signal = AbortSignal.abort();
    const aborted = await outcome(waitForLine(run.process, /ready/, { signal }));
    expect(aborted).toMatchObject({ error: expect.any(CancelledError) });
    expect(run.killed).toBe(0);
  });

  it('refuses what it cannot work with', async () => {
    const { process } = new DrivenRun();
    const wrong = (value: unknown): never => value as never;
    for (const waiting of [
      waitForLine(wrong({}), /a/),
      waitForLine(process, wrong('a')),
      waitForLine(process, /a/, wrong(null)),
      waitForLine(process, /a/, { stream: wrong('both') }),
      waitForLine(process, /a/, { timeoutMs: -1 }),
    ]) {
      expect(await outcome(waiting)).toMatchObject({ error: expect.any(SandboxValidationError) });
    }
  });

  it('does not wait for the end of an endless line', async () => {
    const run = new DrivenRun({ retainBytes: 4_000_000 });
    const waiting = outcome(waitForLine(run.process, /ready/));
    run.out('x'.repeat(1_100_000));
    expect(await waiting).toMatchObject({ error: expect.any(OutputLimitError) });
  });
});
