import { from, Observable, type ObservableInput, type Subscriber } from 'rxjs';
import { checkInteger, checkRecord, requireFunction } from '../process/validate.js';
import { requirePuller } from '../process/puller.js';
import { inletOf, type Inlet, type Taker } from './inlet.js';

/** Options for {@link consume}. */
export interface ConsumeOptions {
  /** How many values are worked on at a time. Default 1, which keeps their order. */
  readonly concurrency?: number;
}

/** What can be read at the reader's own pace. */
export type Pullable<T> = Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

/**
 * `mergeMap` for what can be made to wait: takes a value from an iterable, a `StreamReader` or a Web stream only when there is
 * room for it among those that `project` works on, so that slow work slows the process that writes down.
 *
 * Leaving, or an error of `project`, closes the source and unsubscribes from what is worked on.
 *
 * ```text
 * source           a (b waits) (c waits)      each is asked for when there is room
 * project(a)       ---A|
 * project(b)          ---B|
 * consume(...)     ---A--B--C|
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for a source that cannot wait, or bad options.
 *
 * @example
 * ```ts
 * import { consume, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare function store(line: string): Promise<void>;
 * const log = sandbox.exec(['journalctl', '-f']).stdout;
 * consume(log.lines(), (line) => store(line), { concurrency: 8 }).subscribe();
 * ```
 */
export function consume<In, Out>(
  source: Pullable<In>,
  project: (value: In, index: number) => ObservableInput<Out>,
  options: ConsumeOptions = {},
): Observable<Out> {
  requirePuller(source);
  requireFunction('project', project);
  checkRecord('options', options);
  const { concurrency = 1 } = options;
  checkInteger('concurrency', concurrency, { min: 1 });
  return new Observable((subscriber) => {
    new Consumption(source, subscriber, { project, concurrency }).start();
  });
}

interface Work<In, Out> {
  readonly project: (value: In, index: number) => ObservableInput<Out>;
  readonly concurrency: number;
}

class Consumption<In, Out> implements Taker<In> {
  readonly #subscriber: Subscriber<Out>;
  readonly #work: Work<In, Out>;
  readonly #inlet: Inlet;
  #active = 0;
  #index = 0;
  #isComplete = false;

  constructor(source: Pullable<In>, subscriber: Subscriber<Out>, work: Work<In, Out>) {
    this.#subscriber = subscriber;
    this.#work = work;
    this.#inlet = inletOf(source, this);
    subscriber.add(() => {
      this.#inlet.stop();
    });
  }

  get hasRoom(): boolean {
    return this.#active < this.#work.concurrency && !this.#subscriber.closed;
  }

  start(): void {
    this.#inlet.resume();
  }

  next(value: In): void {
    this.#active++;
    let inner$: Observable<Out>;
    try {
      inner$ = from(this.#work.project(value, this.#index++));
    } catch (error) {
      this.error(error);
      return;
    }
    const linked$: Observable<Out> = new Observable((inner) => {
      // Known before it is subscribed to, so that leaving stops a synchronous one.
      this.#subscriber.add(inner);
      inner.add(() => {
        this.#subscriber.remove(inner);
      });
      inner$.subscribe(inner);
    });
    linked$.subscribe({
      next: (result) => {
        this.#subscriber.next(result);
      },
      error: (error: unknown) => {
        this.error(error);
      },
      complete: () => {
        this.#active--;
        this.#finish();
        this.#inlet.resume();
      },
    });
  }

  error(error: unknown): void {
    this.#subscriber.error(error);
  }

  complete(): void {
    this.#isComplete = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#isComplete && this.#active === 0) this.#subscriber.complete();
  }
}
