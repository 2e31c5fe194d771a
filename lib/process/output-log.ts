import type { Subscriber } from 'rxjs';
import type { OutputEvent, OutputStream, ProcessEvent } from './process-event.js';
import { LogCursor, StreamLog } from './stream-log.js';

/** What a run remembers of both of its output streams, and in which order they came. */
export class OutputLog {
  #stdout: StreamLog | undefined;
  #stderr: StreamLog | undefined;
  #sequence = 0;
  #last: OutputStream | undefined;

  get stdout(): StreamLog {
    return (this.#stdout ??= new StreamLog());
  }

  get stderr(): StreamLog {
    return (this.#stderr ??= new StreamLog());
  }

  append(event: OutputEvent): void {
    const log = event.type === 'stdout' ? this.stdout : this.stderr;
    log.append(event.data, event.offset, {
      sequence: this.#sequence++,
      adjacent: this.#last === event.type,
    });
    this.#last = event.type;
  }

  /** Reads what is kept of both streams in the order of its arrival, and then on as it grows. */
  cursor(from: Partial<Record<OutputStream, number>> = {}): OutputCursor {
    return new OutputCursor(
      new LogCursor(this.stdout, from.stdout),
      new LogCursor(this.stderr, from.stderr),
    );
  }
}

/** A position in both streams of an {@link OutputLog}. */
export class OutputCursor {
  readonly #stdout: LogCursor;
  readonly #stderr: LogCursor;

  constructor(stdout: LogCursor, stderr: LogCursor) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** The next event, or `undefined` when everything was read. */
  next(): OutputEvent | undefined {
    const stdout = this.#stdout.sequence ?? Infinity;
    const stderr = this.#stderr.sequence ?? Infinity;
    if (stdout === stderr) return undefined;
    return stdout < stderr ? read('stdout', this.#stdout) : read('stderr', this.#stderr);
  }

  /** Hands over everything up to now, and what comes while it does. */
  replay(subscriber: Subscriber<ProcessEvent>): void {
    for (let event = this.next(); event && !subscriber.closed; event = this.next()) {
      subscriber.next(event);
    }
  }
}

function read(type: OutputStream, cursor: LogCursor): OutputEvent | undefined {
  const data = cursor.next();
  return data && { type, data, offset: cursor.position - data.length };
}
