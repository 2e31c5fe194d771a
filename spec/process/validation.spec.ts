import { describe, expect, it } from '@jest/globals';
import { asyncScheduler, NEVER, Observable } from 'rxjs';
import {
  Process,
  SandboxValidationError,
  type ProcessControls,
  type ProcessEvent,
  type ProcessOptions,
} from 'sandbox-rx';
import { DrivenRun } from '../support/driven-process.js';

/** A run that must not be started. */
function untouched(): { readonly source: Observable<ProcessEvent>; subscriptions(): number } {
  let subscriptions = 0;
  const source: Observable<ProcessEvent> = new Observable(() => {
    subscriptions++;
  });
  return { source, subscriptions: () => subscriptions };
}

const wrong: Readonly<Record<keyof ProcessOptions, readonly unknown[]>> = {
  id: ['', 5, null, 'a\0b', {}],
  encoding: ['', 'no-such-encoding', 5, null, {}],
  retainBytes: [-1, 1.5, NaN, Infinity, '1', null, true, 1n],
  highWaterMark: [0, -1, 1.5, NaN, Infinity, '1', null, true],
  overflow: ['', 'dropNewest', 5, null, true],
  check: [0, 1, 'true', null],
  statsCallback: ['f', 5, null, {}],
  scheduler: [5, null, {}, 'async', { now: () => 0 }],
  controls: [5, null, 'stdin', []],
};

describe('Process', () => {
  it.each(
    Object.entries(wrong).flatMap(([name, values]) =>
      values.map((value) => [name, value] as const),
    ),
  )('refuses the option %s: %p, and does not start the run', (name, value) => {
    const { source, subscriptions } = untouched();
    const construct = (): Process => new Process(source, ['test'], { [name]: value });
    expect(construct).toThrow(SandboxValidationError);
    expect(construct).toThrow(name);
    expect(subscriptions()).toBe(0);
  });

  it.each([null, 5, 'options', []])('refuses the options %p', (options) => {
    const { source, subscriptions } = untouched();
    expect(() => new Process(source, ['test'], options as ProcessOptions)).toThrow(
      SandboxValidationError,
    );
    expect(subscriptions()).toBe(0);
  });

  it.each([
    undefined,
    null,
    'ls -l',
    5,
    {},
    [],
    [''],
    ['ls', 5],
    ['ls', undefined],
    ['ls', null],
    ['l\0s'],
    ['ls', 'a\0b'],
    new Set(['ls']),
  ])('refuses the command %p', (command) => {
    const { source, subscriptions } = untouched();
    expect(() => new Process(source, command as string[])).toThrow(SandboxValidationError);
    expect(subscriptions()).toBe(0);
  });

  it.each([undefined, null, 5, {}, [], Promise.resolve(), 'events'])(
    'refuses the source %p',
    (source) => {
      expect(() => new Process(source as Observable<ProcessEvent>, ['test'])).toThrow(
        SandboxValidationError,
      );
    },
  );

  it('takes every option that is right, and undefined for each', () => {
    const right: Required<ProcessOptions> = {
      id: 'a b',
      encoding: 'buffer',
      retainBytes: 0,
      highWaterMark: 1,
      overflow: 'fail',
      check: true,
      statsCallback: () => undefined,
      scheduler: asyncScheduler,
      controls: {},
    };
    expect(new Process(NEVER, ['test', ''], right).id).toBe('a b');
    const names = Object.keys(wrong);
    const nothing = Object.fromEntries(names.map((name) => [name, undefined])) as ProcessOptions;
    expect(new Process(NEVER, ['test'], nothing).state).toBe('starting');
  });

  it('says what it expected and what it got, without the whole of it', () => {
    const construct = (): Process => new Process(NEVER, ['test'], { encoding: 'x'.repeat(1000) });
    expect(construct).toThrow(/encoding must be .*; got "x+/);
    expect(() => new Process(NEVER, ['test'], { retainBytes: -1 })).toThrow(
      /^retainBytes must be a whole number from 0 to \d+; got -1$/,
    );
  });
});

describe('kill', () => {
  const controls: ProcessControls = {
    kill: () => {
      throw new Error('it was sent');
    },
  };

  it.each(['TERM', 'sigterm', '', 15, null, {}, 'SIG TERM'])('refuses the signal %p', (signal) => {
    const { process } = new DrivenRun({ controls });
    expect(() => process.kill(signal as string)).toThrow(SandboxValidationError);
  });

  it('throws at once when the process is over', () => {
    const run = new DrivenRun({ controls });
    run.exit();
    const over = expect.objectContaining({ code: 'ERR_PROCESS_OVER' }) as unknown as Error;
    expect(() => run.process.kill()).toThrow(over);
  });
});

describe('resize', () => {
  it.each([
    null,
    5,
    {},
    { rows: 1 },
    { cols: 1 },
    { rows: 0, cols: 1 },
    { rows: 1, cols: 65_536 },
    { rows: '1', cols: 1 },
  ])('refuses the size %p', (size) => {
    const { process } = new DrivenRun({ controls: { resize: () => undefined } });
    expect(() => process.resize(size as { rows: number; cols: number })).toThrow(
      SandboxValidationError,
    );
  });

  it('hands a size over while the process runs, and throws at once when it is over', () => {
    const sizes: unknown[] = [];
    const run = new DrivenRun({ controls: { resize: (size) => sizes.push(size) } });
    run.process.resize({ rows: 50, cols: 100 });
    run.exit();
    const over = expect.objectContaining({ code: 'ERR_PROCESS_OVER' }) as unknown as Error;
    expect(() => run.process.resize({ rows: 1, cols: 1 })).toThrow(over);
    expect(sizes).toEqual([{ rows: 50, cols: 100 }]);
  });
});
