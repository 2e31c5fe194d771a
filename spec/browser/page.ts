// Runs in Chromium: what `sandbox-rx` promises, with processes whose events are made in the page itself.
import {
  concat,
  EMPTY,
  finalize,
  interval,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  takeUntil,
  timer,
  toArray,
} from 'rxjs';
import {
  coalesce,
  lines,
  ndjson,
  Process,
  SandboxClient,
  SandboxError,
  stdout,
  type ProcessEvent,
} from 'sandbox-rx';

const exit: ProcessEvent = { type: 'exit', returncode: 0 };

/** A run that says the text in pieces of `size` bytes, one a millisecond, and then exits. */
function saying(text: string, size: number): Observable<ProcessEvent> {
  const bytes = new TextEncoder().encode(text);
  return new Observable((subscriber) => {
    let offset = 0;
    const clock = setInterval(() => {
      if (offset >= bytes.length) {
        subscriber.next(exit);
        subscriber.complete();
        return;
      }
      const data = bytes.slice(offset, offset + size);
      subscriber.next({ type: 'stdout', data, offset });
      offset += data.length;
    }, 1);
    return () => {
      clearInterval(clock);
    };
  });
}

const command = ['in-page'];
const text = 'zwölf Boxkämpfer 🥊 jagen\r\nEva €\nohne Ende';

export type Scenario =
  'text' | 'lines' | 'ndjson' | 'coalesce' | 'result' | 'cancel' | 'readableStream' | 'errors';

const scenarios: Readonly<Record<Scenario, () => Promise<unknown>>> = {
  /** Characters of two to four bytes, each byte in a chunk of its own. */
  text: () =>
    lastValueFrom(new Process(saying(text, 1), command).stdout$.pipe(toArray(), map(join))),

  lines: () => lastValueFrom(saying(text, 3).pipe(stdout(), lines(), toArray())),

  ndjson: () =>
    lastValueFrom(saying('{"n":1}\n{"n":"ü"}\n', 2).pipe(stdout(), ndjson(), toArray())),

  /** A flood becomes one batch a frame. It lasts for some frames, however slow they come. */
  async coalesce() {
    let frames = 0;
    const enough: Subject<void> = new Subject();
    let counting = requestAnimationFrame(function count() {
      frames += 1;
      if (frames === 10) enough.next();
      counting = requestAnimationFrame(count);
    });
    const data = new TextEncoder().encode('one\ntwo\nthree\n');
    const flood$ = interval(1).pipe(
      map((n): ProcessEvent => ({ type: 'stdout', data, offset: n * data.length })),
      takeUntil(enough),
    );
    const process = new Process(concat(flood$, of(exit)), command);
    const batches = await lastValueFrom(process.stdout$.pipe(lines(), coalesce(), toArray()));
    cancelAnimationFrame(counting);
    const { stdoutTotalBytes } = await process;
    const chunks = stdoutTotalBytes / data.length;
    return { frames, chunks, batches: batches.length, lines: batches.flat().length };
  },

  async result() {
    const { returncode, stdout, stdoutTotalBytes, durationMs } = await new Process(
      saying(text, 5),
      command,
    );
    return { returncode, stdout, stdoutTotalBytes, took: durationMs > 0 };
  },

  async cancel() {
    let torn = 0;
    const source = concat(
      of<ProcessEvent>({ type: 'stdout', data: Uint8Array.of(104), offset: 0 }),
      NEVER,
    );
    const process = new Process(source.pipe(finalize(() => (torn += 1))), command);
    const seen: string[] = [];
    process.stdout$.subscribe({
      next: (chunk) => seen.push(chunk),
      complete: () => seen.push('|'),
    });
    await lastValueFrom(timer(5));
    const waited = process.wait().catch(codeOf);
    const cancelled = [process.cancel(), process.cancel()];
    await process.closed;
    return { cancelled, torn, seen, state: process.state, code: await waited };
  },

  /** A web stream of a process that outruns its reader. */
  async readableStream() {
    const process = new Process(saying(text, 1), command);
    const reader = process.stdout.toReadableStream().getReader();
    let read = '';
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      read += next.value;
      await lastValueFrom(timer(3));
    }
    return read;
  },

  /** What fails here fails with the errors that are promised. */
  async errors() {
    const lost = await new Process(EMPTY, command).wait().catch(codeOf);
    let refused: unknown;
    try {
      new Process(NEVER, []);
    } catch (error) {
      refused = codeOf(error);
    }
    return { lost, refused, client: typeof SandboxClient };
  },
};

function join(chunks: readonly string[]): string {
  return chunks.join('');
}

function codeOf(error: unknown): string {
  return error instanceof SandboxError ? error.code : String(error);
}

Object.assign(globalThis, { scenarios });
