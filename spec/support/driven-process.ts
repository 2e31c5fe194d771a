import { Observable, Subject } from 'rxjs';
import {
  Process,
  type ExitEvent,
  type OutputStream,
  type ProcessEvent,
  type ProcessOptions,
} from 'sandbox-rx';
import { bytes } from './bytes.js';

/** A process whose run is in the hands of the test, and what the run sees of its process. */
export class DrivenRun {
  readonly process: Process;
  /** How often the run was subscribed to, and unsubscribed before its end. */
  subscribed = 0;
  killed = 0;
  #over = false;
  readonly #events: Subject<ProcessEvent> = new Subject();
  readonly #offsets: Record<OutputStream, number> = { stdout: 0, stderr: 0 };

  constructor(options?: ProcessOptions, command: readonly string[] = ['test', 'run']) {
    const source: Observable<ProcessEvent> = new Observable((subscriber) => {
      this.subscribed++;
      this.#events.subscribe(subscriber);
      return () => {
        if (!this.#over) this.killed++;
      };
    });
    this.process = new Process(source, command, options);
  }

  /** Whether somebody still observes the run. */
  get observed(): boolean {
    return this.#events.observed;
  }

  out(data: string | Uint8Array): void {
    this.#output('stdout', data);
  }

  err(data: string | Uint8Array): void {
    this.#output('stderr', data);
  }

  /** Makes the stream's offsets jump: so many bytes are missing. */
  lose(stream: OutputStream, count: number): void {
    this.#offsets[stream] += count;
  }

  exit(returncode = 0, details: Partial<ExitEvent> = {}): void {
    this.#events.next({ ...details, type: 'exit', returncode });
    this.vanish();
  }

  fail(error: unknown = new Error('the run failed')): void {
    this.#over = true;
    this.#events.error(error);
  }

  /** Completes without an exit. */
  vanish(): void {
    this.#over = true;
    this.#events.complete();
  }

  #output(type: OutputStream, data: string | Uint8Array): void {
    const chunk = typeof data === 'string' ? bytes(data) : data;
    const offset = this.#offsets[type];
    this.#offsets[type] += chunk.length;
    this.#events.next({ type, data: chunk, offset });
  }
}

/** What a subscriber saw: its values, then `'complete'`, or the error. */
export interface Seen<T> {
  readonly values: T[];
  end: 'complete' | { readonly error: unknown } | undefined;
  unsubscribe(): void;
}

/** Subscribes and writes down what comes. */
export function watch<T>(source: Observable<T>): Seen<T> {
  const values: T[] = [];
  const seen: Seen<T> = { values, end: undefined, unsubscribe: () => subscription.unsubscribe() };
  const subscription = source.subscribe({
    next: (value) => values.push(value),
    error: (error: unknown) => {
      seen.end = { error };
    },
    complete: () => {
      seen.end = 'complete';
    },
  });
  return seen;
}

/** How a promise ended. */
export async function outcome<T>(
  promise: PromiseLike<T>,
): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** Lets everything that only waits for settled promises go on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
