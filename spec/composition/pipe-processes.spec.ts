import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  reduce,
  Subject,
  take,
  throwError,
  timer,
} from 'rxjs';
import {
  CancelledError,
  pipeProcesses,
  SandboxClient,
  SandboxExecutionError,
  SandboxTimeoutError,
  SandboxValidationError,
  toResult,
  UnsupportedError,
  type Pipeline,
  type PipelineEvent,
  type PipelineStage,
  type RunOptions,
  type Sandbox,
} from 'sandbox-rx';
import {
  delay,
  err,
  exit,
  memoryBackend,
  out,
  type MemoryBackend,
  type Program,
  type ProgramStep,
} from 'sandbox-rx/testing';
import { alteredBackend } from '../support/altered-backend.js';
import { concat, cut } from '../support/bytes.js';
import { outcome, settled, watch } from '../support/driven-process.js';
import { marbles } from '../support/marbles.js';
import { SlowInput } from '../support/slow-input.js';

const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Writes a `y` every 10 ms, for ever. */
function* yes(): Generator<ProgramStep> {
  for (;;) {
    yield out('y');
    yield delay(10);
  }
}

/** What the program `driven` writes; it takes no notice of signals. */
let driven$: Subject<ProgramStep> = new Subject();

const programs: Readonly<Record<string, Program>> = {
  yes,
  driven: ({ signal$ }) => merge(driven$, signal$.pipe(ignoreElements())),
  cat: ({ stdin$ }) => stdin$.pipe(map(out)),
  upper: ({ stdin$ }) => stdin$.pipe(map((data) => out(text(data).toUpperCase()))),
  abc: [out('a'), delay(10), out('b'), delay(10), out('c')],
  noisy: ({ stdin$ }) => merge(of(err('!')), stdin$.pipe(map(out))),
  loud: [err('??'), delay(10), out('x')],
  first: ({ stdin$ }) =>
    stdin$.pipe(
      take(1),
      mergeMap((data) => [out(data), exit(0)]),
    ),
  count: ({ stdin$ }) =>
    stdin$.pipe(
      reduce((sum, { length }) => sum + length, 0),
      map((sum) => out(String(sum))),
    ),
  fails: [err('no'), exit(3)],
  dies: [exit(137, 'SIGKILL')],
  sleep: () => NEVER,
  deaf: [delay(15), exit(0)],
};

/** What an event says, in short. */
function shown(event: PipelineEvent): string {
  if (event.type !== 'exit') return `${event.stage} ${event.type} ${text(event.data)}`;
  const stages = event.stages.map(({ returncode, signal = '' }) => `${returncode}${signal}`);
  return `${event.returncode}${event.signal ?? ''} of ${stages.join(' ')}`;
}

describe('pipeProcesses', () => {
  let backend: MemoryBackend;
  let sandbox: Sandbox;

  beforeEach(async () => {
    driven$ = new Subject();
    backend = memoryBackend({ programs });
    sandbox = await new SandboxClient(backend).create();
  });

  function stagesOf(names: readonly string[], options: RunOptions = {}): [PipelineStage] {
    const stages = names.map((name): PipelineStage => ({ sandbox, command: [name], options }));
    return stages as [PipelineStage];
  }

  const pipeline = (...names: readonly string[]): Pipeline => pipeProcesses(...stagesOf(names));
  const ended = (): string[] => backend.runs.map(({ command, state }) => `${command[0]} ${state}`);

  it('gives each command the output of the one before as it comes, and ends when all have', () => {
    marbles(({ expectObservable }) => {
      const events$ = pipeline('abc', 'upper', 'noisy').exec$().pipe(map(shown));
      expectObservable(events$).toBe('(ea) 6ms b 9ms (cx|)', {
        e: '2 stderr !',
        a: '2 stdout A',
        b: '2 stdout B',
        c: '2 stdout C',
        x: '0 of 0 0 0',
      });
    });
  });

  it('runs a single command as itself', () => {
    marbles(({ expectObservable }) => {
      const events$ = pipeline('abc').exec$().pipe(map(shown));
      expectObservable(events$).toBe('a 9ms b 9ms (cx|)', {
        a: '0 stdout a',
        b: '0 stdout b',
        c: '0 stdout c',
        x: '0 of 0',
      });
    });
  });

  it('does not run before it is subscribed to, runs for each subscription, and kills all when it is unsubscribed', () => {
    marbles(({ expectObservable, flush }) => {
      const events$ = pipeline('yes', 'cat').exec$().pipe(map(shown));
      expect(backend.runs).toEqual([]);
      const values = { y: '1 stdout y' };
      expectObservable(events$, '25ms !').toBe('y 9ms y 9ms y', values);
      expectObservable(events$, '5ms ^ 14ms !').toBe('5ms y 9ms y', values);
      flush();
      expect(ended()).toEqual(['yes', 'cat', 'yes', 'cat'].map((name) => `${name} cancelled`));
    });
  });

  describe('a command that ends before the one in front of it', () => {
    it('breaks its pipe: SIGPIPE at the next write', () => {
      marbles(({ expectObservable }) => {
        const events$ = pipeline('yes', 'first').exec$().pipe(map(shown));
        expectObservable(events$).toBe('y 9ms (x|)', {
          y: '1 stdout y',
          x: '141SIGPIPE of 141SIGPIPE 0',
        });
      });
    });

    it('lets the one in front go on where it does not write', () => {
      marbles(({ expectObservable }) => {
        const events$ = pipeline('deaf', 'fails').exec$().pipe(map(shown));
        expectObservable(events$).toBe('e 14ms (x|)', {
          e: '1 stderr no',
          x: '3 of 0 3',
        });
      });
    });

    it('breaks one pipe after the other', () => {
      marbles(({ expectObservable }) => {
        const events$ = pipeline('yes', 'cat', 'first').exec$().pipe(map(shown));
        expectObservable(events$).toBe('y 9ms 10ms (x|)', {
          y: '2 stdout y',
          x: '141SIGPIPE of 141SIGPIPE 141SIGPIPE 0',
        });
      });
    });

    it('has one ended that goes on writing after the signal; its status is not known then', () => {
      marbles(({ cold, expectObservable, flush }) => {
        cold('5ms a 9ms a 984ms a 19ms a').subscribe(() => {
          driven$.next(out('y'));
        });
        const events$ = pipeline('driven', 'first').exec$().pipe(map(shown));
        // SIGPIPE at 15 ms; the first write a second after that is at 1020 ms.
        expectObservable(events$).toBe('5ms y 1014ms (x|)', {
          y: '1 stdout y',
          x: '141 of null 0',
        });
        flush();
        expect(ended()).toEqual(['driven cancelled', 'first exited']);
      });
    });

    it('waits for its exit as long as the signal takes to get there', async () => {
      const signal = (): ReturnType<typeof backend.signal> => timer(5_000).pipe(ignoreElements());
      sandbox = await new SandboxClient(alteredBackend(backend, { signal })).create();
      marbles(({ cold, expectObservable }) => {
        cold<ProgramStep>('5ms y 9ms y 2985ms y 2014ms x', {
          y: out('y'),
          x: exit(141, 'SIGPIPE'),
        }).subscribe(driven$);
        const events$ = pipeline('driven', 'first').exec$().pipe(map(shown));
        expectObservable(events$).toBe('5ms y 5010ms (x|)', {
          y: '1 stdout y',
          x: '141SIGPIPE of 141SIGPIPE 0',
        });
      });
    });

    it('has it ended at once where the backend has no signals', async () => {
      const signal = (): ReturnType<typeof backend.signal> =>
        throwError(() => new UnsupportedError('signals', 'none here'));
      sandbox = await new SandboxClient(alteredBackend(backend, { signal })).create();
      marbles(({ expectObservable, flush }) => {
        const events$ = pipeline('yes', 'first').exec$().pipe(map(shown));
        expectObservable(events$).toBe('y 9ms (x|)', { y: '1 stdout y', x: '141 of null 0' });
        flush();
        expect(ended()).toEqual(['yes cancelled', 'first exited']);
      });
    });
  });

  describe('the result', () => {
    it('has the status of each command, and that of the last that did not succeed', async () => {
      const result = await pipeline('fails', 'dies', 'count').exec();
      expect(result).toMatchObject({
        returncode: 137,
        signal: 'SIGKILL',
        stdout: '0',
        stderr: 'no',
      });
      expect(result.stages).toEqual([
        { command: ['fails'], returncode: 3 },
        { command: ['dies'], returncode: 137, signal: 'SIGKILL' },
        { command: ['count'], returncode: 0 },
      ]);
      expect(result.command).toEqual(['fails', '|', 'dies', '|', 'count']);
    });

    it('is what the operators make of its events too', async () => {
      const result = await lastValueFrom(pipeline('fails', 'cat').exec$().pipe(toResult()));
      expect(result).toMatchObject({
        returncode: 3,
        stages: [{ returncode: 3 }, { returncode: 0 }],
      });
    });

    it('is in the error that check makes of it', async () => {
      const { error } = (await outcome(pipeline('fails', 'cat').exec({ check: true }))) as {
        error: SandboxExecutionError;
      };
      expect(error).toBeInstanceOf(SandboxExecutionError);
      expect(error.result?.stages).toHaveLength(2);
    });
  });

  it('joins the standard error of all as one stream in which the offsets count on', async () => {
    const seen = watch(pipeline('loud', 'noisy', 'fails').exec$());
    expect((await pipeline('loud', 'noisy', 'fails').exec()).stderr).toBe('??!no');
    const errors = seen.values.flatMap((event) =>
      event.type === 'stderr' ? [[event.stage, event.offset]] : [],
    );
    expect(errors).toEqual([
      [0, 0],
      [1, 2],
      [2, 3],
    ]);
  });

  it('gives the first command the input that it was given', async () => {
    const [first, second] = [stagesOf(['upper'], { stdin: ['he', 'llo'] }), stagesOf(['cat'])];
    expect((await pipeProcesses(...first, ...second).exec()).stdout).toBe('HELLO');
  });

  it('fails with the error of a command, and ends all others', async () => {
    const process = pipeline('sleep', 'absent', 'sleep').exec();
    expect(await outcome(process)).toMatchObject({
      error: { code: 'ERR_NOT_STARTED', reason: 'not_found' },
    });
    await process.closed;
    expect(ended()).toEqual(['sleep cancelled', 'absent failed']);
  });

  it('fails when one takes longer than its time', async () => {
    const stages = [...stagesOf(['sleep']), ...stagesOf(['cat'], { timeoutMs: 5 })];
    const process = pipeProcesses(...(stages as [PipelineStage])).exec();
    const { error } = (await outcome(process)) as { error: unknown };
    expect(error).toBeInstanceOf(SandboxTimeoutError);
    await process.closed;
    expect(ended()).toEqual(['sleep cancelled', 'cat cancelled']);
  });

  it('fails with the error of its input', async () => {
    const broken = stagesOf(['cat'], { stdin: throwError(() => new Error('torn')) });
    const process = pipeProcesses(...broken, ...stagesOf(['cat'])).exec();
    expect(await outcome(process)).toMatchObject({ error: { message: 'torn' } });
    await process.closed;
  });

  it('is cancelled as a whole, and closed when nothing is left of any command', async () => {
    const process = pipeline('yes', 'cat', 'cat').exec();
    expect(process.cancel()).toBe(true);
    expect(await outcome(process)).toMatchObject({ error: expect.any(CancelledError) });
    await process.closed;
    expect(ended()).toEqual(['yes cancelled', 'cat cancelled', 'cat cancelled']);
  });

  it('sends a signal to every command that still runs', async () => {
    const process = pipeline('sleep', 'sleep').exec();
    await process.kill('SIGTERM');
    expect((await process).stages?.map(({ signal }) => signal)).toEqual(['SIGTERM', 'SIGTERM']);
  });

  it('makes a command wait for one behind it that does not read', async () => {
    let asked = 0;
    const flood: Program = function* () {
      for (;;) {
        asked++;
        yield out(new Uint8Array(65_536));
      }
    };
    sandbox = await new SandboxClient(memoryBackend({ programs: { flood } })).create();
    const reader = new SlowInput();
    const slow: PipelineStage = { sandbox: await reader.sandbox(), command: ['slow'] };
    const process = pipeProcesses(...stagesOf(['flood']), slow).exec();
    while (asked < 2) await settled();
    reader.acceptAll();
    while (asked < 4) await settled();
    for (let waited = 0; waited < 20; waited++) await settled();
    expect(asked).toBe(4);
    process.cancel();
  });

  it('loses and reorders no byte, however the output is cut', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 30 });
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    const pauses = fc.array(fc.nat(3), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(pieces, places, pauses, async (written, where, waits) => {
        const write: Program = () =>
          written.flatMap((data, i) => [out(data), delay(waits[i % waits.length] ?? 0)]);
        const recut: Program = ({ stdin$ }) =>
          stdin$.pipe(mergeMap((data) => cut(data, where).map(out)));
        const client = new SandboxClient(memoryBackend({ programs: { write, recut } }));
        sandbox = await client.create();
        const { stdoutBytes } = await pipeline('write', 'recut', 'recut').exec();
        expect(stdoutBytes).toEqual(concat(written));
      }),
      { numRuns: 50 },
    );
  });

  describe('bad stages', () => {
    const wrong = (value: unknown): PipelineStage => value as PipelineStage;

    it.each([
      ['no stage', () => pipeProcesses(...([] as unknown as [PipelineStage]))],
      ['no record', () => pipeProcesses(wrong(null))],
      ['no sandbox', () => pipeProcesses(wrong({ command: ['cat'] }))],
      ['no command', () => pipeProcesses(wrong({ sandbox, command: [] }))],
      [
        'a bad option',
        () => pipeProcesses(wrong({ sandbox, command: ['a'], options: { cwd: 5 } })),
      ],
      ['check', () => pipeProcesses(wrong({ sandbox, command: ['a'], options: { check: true } }))],
      [
        'a terminal',
        () => pipeProcesses(wrong({ sandbox, command: ['a'], options: { tty: true } })),
      ],
      [
        'input of a later one',
        () => pipeProcesses(...stagesOf(['a']), ...stagesOf(['b'], { stdin: 'x' })),
      ],
      ['options of the handle', () => pipeline('a').exec(wrong({ retainBytes: -1 }) as object)],
    ])('are refused at once: %s', (_name, call) => {
      expect(call).toThrow(SandboxValidationError);
    });
  });
});
