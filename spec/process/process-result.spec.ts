import { describe, expect, it } from '@jest/globals';
import { map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { Process, type ProcessEvent } from 'sandbox-rx';
import { bytes } from '../support/bytes.js';
import { DrivenRun } from '../support/driven-process.js';

describe('ProcessResult', () => {
  it('says how the run ended', async () => {
    const killed = new DrivenRun();
    killed.exit(137, { signal: 'SIGKILL', oom: true, outputHeld: true });
    expect(await killed.process).toMatchObject({
      returncode: 137,
      signal: 'SIGKILL',
      oom: true,
      outputHeld: true,
    });
    const plain = new DrivenRun();
    plain.exit(0);
    expect(await plain.process).toMatchObject({
      returncode: 0,
      signal: undefined,
      oom: false,
      outputHeld: false,
    });
  });

  it('takes its time from the scheduler, from the start to the exit', () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run(({ cold, expectObservable }) => {
      const x: ProcessEvent = { type: 'exit', returncode: 0 };
      const process = new Process(cold('-----(x|)', { x }), ['test'], { scheduler });
      expectObservable(process.result$.pipe(map(({ durationMs }) => durationMs))).toBe(
        '-----(d|)',
        { d: 5 },
      );
    });
  });

  it('has a duration of its own when there is no scheduler', async () => {
    const run = new DrivenRun();
    run.exit();
    const { durationMs } = await run.process;
    expect(durationMs).toBeGreaterThanOrEqual(0);
    expect(durationMs).toBeLessThan(60_000);
  });

  it('is plain data for JSON', async () => {
    const run = new DrivenRun({ retainBytes: 2 });
    run.out('é!');
    run.err('no');
    run.exit(1);
    const result = await run.process;
    expect(JSON.parse(JSON.stringify(result))).toEqual({
      command: ['test', 'run'],
      returncode: 1,
      oom: false,
      outputHeld: false,
      durationMs: result.durationMs,
      stdout: '!',
      stderr: 'no',
      stdoutTotalBytes: 3,
      stderrTotalBytes: 2,
      stdoutTruncated: true,
      stderrTruncated: false,
    });
  });

  it('is the same for everybody, and decodes once', async () => {
    const run = new DrivenRun();
    run.out(bytes('text'));
    run.exit();
    const [first, second] = await Promise.all([run.process, run.process.result()]);
    expect(second).toBe(first);
    expect(first.stdoutBytes).toBe(second.stdoutBytes);
  });
});
