import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { defer, EMPTY, ignoreElements, map, observable, of, Subject, throwError } from 'rxjs';
import { SandboxClient, SandboxValidationError, type Sandbox, type StdinSource } from 'sandbox-rx';
import { exit, memoryBackend, out, type Program } from 'sandbox-rx/testing';
import { bytes } from '../support/bytes.js';
import { outcome, settled } from '../support/driven-process.js';
import { SlowInput } from '../support/slow-input.js';

/** Gives back what it is given, and ends at EOF. */
const cat: Program = ({ stdin$ }) => stdin$.pipe(map((data) => out(data)));

function sandbox(program: Program = cat): PromiseLike<Sandbox> {
  return new SandboxClient(memoryBackend({ programs: { program } })).create();
}

const failure = new Error('the source failed');

function* words(): Generator<string> {
  yield 'one ';
  yield 'two';
}

async function* lateWords(): AsyncGenerator<string | Uint8Array> {
  yield 'one ';
  await settled();
  yield bytes('two');
}

/** An Observable of another library, as far as RxJS looks. */
const foreign = { [observable]: () => of('one ', 'two') } as unknown as StdinSource;

describe('stdin', () => {
  it.each<readonly [string, () => StdinSource]>([
    ['a string', () => 'one two'],
    ['bytes', () => bytes('one two')],
    ['an array', () => ['one ', bytes('two')]],
    ['a generator', words],
    ['an asynchronous generator', lateWords],
    ['an Observable', () => of('one ', bytes('two'))],
    ['an Observable of another library', () => foreign],
    ['a Promise', () => Promise.resolve('one two')],
    ['a Web stream', () => new Blob(['one two']).stream()],
  ])('may be %s: written as it comes, its end is EOF', async (_what, source) => {
    const result = await (await sandbox()).exec(['program'], { stdin: source() });
    expect(result.stdout).toBe('one two');
  });

  it.each<readonly [string, () => StdinSource]>([
    ['an empty string', () => ''],
    ['an empty array', () => []],
    ['an empty Observable', () => EMPTY],
  ])('may be %s, and is at EOF then', async (_what, source) => {
    const result = await (await sandbox()).exec(['program'], { stdin: source() });
    expect(result.stdout).toBe('');
  });

  it.each<readonly [string, () => StdinSource]>([
    ['an Observable', () => throwError(() => failure)],
    ['a Promise', () => defer(() => Promise.reject(failure))],
    [
      'an iterable',
      () => ({
        [Symbol.iterator]: (): Iterator<string> => ({
          next: () => {
            throw failure;
          },
        }),
      }),
    ],
    [
      'a Web stream',
      () =>
        new ReadableStream<string>({
          pull: () => Promise.reject(failure),
        }),
    ],
  ])('of %s that errors kills the run, and its error is the run’s', async (_what, source) => {
    const process = (await sandbox()).exec(['program'], { stdin: source() });
    expect(await outcome(process)).toEqual({ error: failure });
    expect(process.state).toBe('failed');
  });

  it.each([5, [5], [null]])(
    'that emits %p, which is neither text nor bytes, fails the run',
    async (emitted) => {
      const process = (await sandbox()).exec(['program'], {
        stdin: of(emitted as unknown as string),
      });
      expect(await outcome(process)).toEqual({ error: expect.any(SandboxValidationError) });
    },
  );

  it('is unsubscribed when the process exits, and when it is cancelled', async () => {
    const source: Subject<string> = new Subject();
    const program: Program = ({ stdin$ }) =>
      stdin$.pipe(map((data) => (data.length > 1 ? exit(3) : out(data))));
    const box = await sandbox(program);
    const exited = box.exec(['program'], { stdin: source });
    const cancelled = box.exec(['program'], { stdin: source });
    await settled();
    expect(source.observed).toBe(true);
    cancelled.cancel();
    expect(source.observed).toBe(true);
    source.next('exit');
    expect((await exited).returncode).toBe(3);
    expect(source.observed).toBe(false);
  });

  it('of a Node stream is destroyed at the exit, though nothing more comes from it', async () => {
    const box = await sandbox(({ stdin$ }) => stdin$.pipe(map(() => exit(3))));
    const exited = new PassThrough();
    const cancelled = new PassThrough();
    const run = box.exec(['program'], { stdin: exited });
    exited.write('x');
    expect((await run).returncode).toBe(3);
    box.exec(['program'], { stdin: cancelled }).cancel();
    expect([exited.destroyed, cancelled.destroyed]).toEqual([true, true]);
  });

  it('is pulled only as fast as the process accepts, and is told to stop when the process ends', async () => {
    let given = 0;
    let stopped = false;
    function* endless(): Generator<string> {
      try {
        for (;;) {
          given++;
          yield 'x';
        }
      } finally {
        stopped = true;
      }
    }
    const input = new SlowInput();
    const process = (await input.sandbox()).exec(['slow'], { stdin: endless() });
    await settled();
    expect(given).toBe(1);
    input.accept();
    await settled();
    expect(given).toBe(2);
    process.cancel();
    await settled();
    expect([given, stopped]).toEqual([2, true]);
  });

  it('without end leaves timers and I/O their turn, when the process accepts at once', async () => {
    const read = { count: 0, stopped: false };
    function* endless(): Generator<string> {
      try {
        // Not quite: without a turn for the others the test would never end.
        for (; read.count < 3_000_000; read.count++) yield 'x';
      } finally {
        read.stopped = true;
      }
    }
    const sink: Program = ({ stdin$ }) => stdin$.pipe(ignoreElements());
    const process = (await sandbox(sink)).exec(['program'], { stdin: endless() });
    await Promise.all([
      new Promise((resolve) => setTimeout(resolve, 50)),
      readFile(fileURLToPath(import.meta.url)),
    ]);
    expect(read.count).toBeGreaterThan(0);
    expect(read.stopped).toBe(false);
    process.cancel();
    await settled();
    const { count } = read;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(read).toEqual({ count, stopped: true });
  });

  it.each([5, null, {}, () => 'x', Symbol('x')])('refuses %p at once', async (stdin) => {
    const box = await sandbox();
    expect(() => box.exec(['program'], { stdin: stdin as unknown as StdinSource })).toThrow(
      SandboxValidationError,
    );
  });
});
