import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { map, type Observable } from 'rxjs';
import type { OutputStream, Process, ProcessEvent, ProcessState } from 'sandbox-rx';
import { DrivenRun, outcome, watch, type Seen } from '../support/driven-process.js';

type Watched = 'events' | 'stdout' | 'stderr' | 'result' | 'states';

/** What may happen to a process, in any order. */
type Step =
  | { readonly do: 'write'; readonly stream: OutputStream; readonly text: string }
  | { readonly do: 'exit' | 'fail' | 'vanish' | 'cancel' }
  | { readonly do: 'subscribe'; readonly to: Watched }
  | { readonly do: 'unsubscribe'; readonly which: number }
  | { readonly do: 'read' | 'close'; readonly stream: OutputStream };

const stream = fc.constantFrom<OutputStream>('stdout', 'stderr');
const written = fc.record({
  do: fc.constant('write' as const),
  stream,
  text: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 }),
});
const subscribed = fc.record({
  do: fc.constant('subscribe' as const),
  to: fc.constantFrom<Watched>('events', 'stdout', 'stderr', 'result', 'states'),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: written, weight: 6 },
  { arbitrary: subscribed, weight: 5 },
  {
    arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), which: fc.nat(9) }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'close' as const), stream }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      do: fc.constantFrom('exit' as const, 'fail' as const, 'vanish' as const, 'cancel' as const),
    }),
    weight: 1,
  },
);

const failure = new Error('the run failed');
const cancelled = { error: expect.objectContaining({ code: 'ERR_CANCELLED' }) };
const lost = { error: expect.objectContaining({ code: 'ERR_CONNECTION_LOST' }) };

/** The design's table: what is known of a process after each way to end. */
const ends = {
  exit: { state: 'exited', returncode: 7, events: 'complete', chunks: 'complete' },
  fail: {
    state: 'failed',
    returncode: null,
    events: { error: failure },
    chunks: { error: failure },
  },
  vanish: { state: 'failed', returncode: null, events: lost, chunks: lost },
  cancel: { state: 'cancelled', returncode: null, events: cancelled, chunks: 'complete' },
} as const;

/** What has happened, as simply as it can be said. */
class Model {
  readonly output: { stream: OutputStream; text: string }[] = [];
  ended: keyof typeof ends | undefined;

  get state(): ProcessState {
    if (this.ended !== undefined) return ends[this.ended].state;
    return this.output.length === 0 ? 'starting' : 'running';
  }

  text(name: OutputStream): string {
    return this.output.map(({ stream, text }) => (stream === name ? text : '')).join('');
  }

  /** Everything that somebody who stays sees, and how it ends. */
  expected(watched: Watched): { readonly text: string; readonly end: unknown } {
    const end = this.ended && ends[this.ended];
    const exited = this.ended === 'exit';
    switch (watched) {
      case 'events':
        return {
          text:
            this.output.map(({ stream, text }) => `${stream}:${text} `).join('') +
            (exited ? 'exit:7' : ''),
          end: end?.events,
        };
      case 'result':
        return {
          text: exited ? `${this.text('stdout')}|${this.text('stderr')}` : '',
          end: end?.events,
        };
      case 'states':
        return { text: this.state, end: end && 'complete' };
      case 'stdout':
      case 'stderr':
        return { text: this.text(watched), end: end?.chunks };
    }
  }
}

/** One byte an event, because replayed events may be joined. */
function spelled(event: ProcessEvent): string {
  if (event.type === 'exit') return `exit:${event.returncode}`;
  return [...event.data].map((byte) => `${event.type}:${String.fromCharCode(byte)} `).join('');
}

function observed(process: Process, watched: Watched): Observable<string> {
  switch (watched) {
    case 'events':
      return process.events$.pipe(map(spelled));
    case 'stdout':
      return process.stdout$;
    case 'stderr':
      return process.stderr$;
    case 'result':
      return process.result$.pipe(map(({ stdout, stderr }) => `${stdout}|${stderr}`));
    case 'states':
      return process.state$;
  }
}

/** A process, its model, and everybody who watches it. */
class Trial {
  readonly run = new DrivenRun();
  readonly model = new Model();
  readonly #staying: { readonly watched: Watched; readonly seen: Seen<string> }[] = [];
  readonly #left: { readonly seen: Seen<string>; readonly text: string }[] = [];
  readonly #reads: Record<OutputStream, Promise<IteratorResult<string>>[]> = {
    stdout: [],
    stderr: [],
  };
  readonly #closed: Record<OutputStream, boolean> = { stdout: false, stderr: false };

  take(step: Step): void {
    switch (step.do) {
      case 'write':
        this.#write(step.stream, step.text);
        break;
      case 'subscribe':
        this.#staying.push({ watched: step.to, seen: watch(observed(this.run.process, step.to)) });
        break;
      case 'unsubscribe': {
        const [leaving] = this.#staying.splice(step.which % (this.#staying.length + 1), 1);
        leaving?.seen.unsubscribe();
        if (leaving !== undefined)
          this.#left.push({ seen: leaving.seen, text: leaving.seen.values.join('') });
        break;
      }
      case 'read': {
        const read = this.run.process[step.stream][Symbol.asyncIterator]().next();
        read.catch(() => undefined);
        this.#reads[step.stream].push(read);
        break;
      }
      case 'close':
        this.#closed[step.stream] = true;
        this.run.process[step.stream].close();
        break;
      case 'exit':
      case 'fail':
      case 'vanish':
      case 'cancel':
        this.end(step.do);
    }
    this.#check();
  }

  end(how: keyof typeof ends): void {
    const first = this.model.ended === undefined;
    if (how === 'cancel') expect(this.run.process.cancel()).toBe(first);
    else if (how === 'exit') this.run.exit(7);
    else if (how === 'fail') this.run.fail(failure);
    else this.run.vanish();
    this.model.ended ??= how;
  }

  #write(name: OutputStream, text: string): void {
    for (const letter of text) {
      if (name === 'stdout') this.run.out(letter);
      else this.run.err(letter);
      if (this.model.ended === undefined) this.model.output.push({ stream: name, text: letter });
    }
  }

  #check(): void {
    const { process } = this.run;
    const end = this.model.ended && ends[this.model.ended];
    expect([process.state, process.poll()]).toEqual([this.model.state, end?.returncode ?? null]);
    expect(this.run.observed).toBe(end === undefined);
    for (const { watched, seen } of this.#staying) {
      const expected = this.model.expected(watched);
      const text = watched === 'states' ? seen.values.at(-1) : seen.values.join('');
      expect({ watched, text, end: seen.end }).toEqual({ watched, ...expected });
    }
    for (const { seen, text } of this.#left) expect(seen.values.join('')).toBe(text);
  }

  /** The readers: what was read is the beginning, and what is read to the end is everything, then the end. */
  async checkReaders(): Promise<void> {
    for (const name of ['stdout', 'stderr'] as const) {
      const iterator = this.run.process[name][Symbol.asyncIterator]();
      let text = '';
      let end: unknown;
      const take = async (read: Promise<IteratorResult<string>>): Promise<boolean> => {
        const result = await outcome(read);
        if ('value' in result && !result.value.done) text += result.value.value;
        else end ??= 'value' in result ? 'complete' : result;
        return 'value' in result && !result.value.done;
      };
      for (const read of this.#reads[name]) await take(read);
      while (await take(iterator.next()));
      const whole = this.model.text(name);
      if (this.#closed[name]) expect(whole.startsWith(text)).toBe(true);
      else
        expect({ text, end }).toEqual({
          text: whole,
          end: this.model.ended && ends[this.model.ended].events,
        });
    }
  }
}

describe('a process to which anything may happen in any order', () => {
  it('keeps the table of the design', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom<keyof typeof ends>('exit', 'fail', 'vanish', 'cancel'),
        async (steps, last) => {
          const trial = new Trial();
          for (const each of steps) trial.take(each);
          trial.take({ do: last });
          await trial.checkReaders();
          const { events } = ends[trial.model.ended ?? last];
          const result = await outcome(trial.run.process);
          expect(result).toEqual(
            events === 'complete' ? { value: expect.objectContaining({ returncode: 7 }) } : events,
          );
          await trial.run.process.closed;
        },
      ),
      { numRuns: 300 },
    );
  });
});
