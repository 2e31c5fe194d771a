import { from, isObservable, Observable, type ObservableInput, type Subscription } from 'rxjs';
import { pullerOf, type Puller } from '../process/puller.js';
import { Queue } from '../process/queue.js';

/** A source that gives values only as long as its taker has room for them. */
export interface Inlet {
  /** There may be room: the first time, it opens the source. */
  resume(): void;
  /** Nothing more is wanted. */
  stop(): void;
  /** How many more there are, as far as that is known. */
  readonly left: number | undefined;
}

/** Who takes the values. It says `resume` when it has room again. */
export interface Taker<T> {
  readonly hasRoom: boolean;
  next(value: T): void;
  error(error: unknown): void;
  complete(): void;
}

/**
 * Iterables, asynchronous ones and Web streams are pulled only when there is room. An Observable cannot be slowed down:
 * what there is no room for is queued.
 */
export function inletOf<T>(source: ObservableInput<T>, taker: Taker<T>): Inlet {
  if (Symbol.iterator in source && !isObservable(source)) return new IterableInlet(source, taker);
  const open = pullerOf(source);
  return open === undefined ? new PushInlet(source, taker) : new PullInlet(open, taker);
}

/** Takes no Promise between two values, so that it keeps virtual time. */
class IterableInlet<T> implements Inlet {
  readonly #source: Iterable<T>;
  readonly #taker: Taker<T>;
  #iterator: Iterator<T> | undefined;
  #given = 0;
  #isBusy = false;
  #isAsked = false;
  #isOver = false;

  constructor(source: Iterable<T>, taker: Taker<T>) {
    this.#source = source;
    this.#taker = taker;
  }

  get left(): number | undefined {
    return Array.isArray(this.#source) ? this.#source.length - this.#given : undefined;
  }

  resume(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (!this.#isOver && this.#taker.hasRoom) this.#give();
    this.#isBusy = false;
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // A generator that stops this itself cannot be closed while it runs.
    if (!this.#isAsked) this.#close();
  }

  #give(): void {
    let next: IteratorResult<T>;
    this.#isAsked = true;
    try {
      this.#iterator ??= this.#source[Symbol.iterator]();
      next = this.#iterator.next();
    } catch (error) {
      this.#isOver = true;
      this.#taker.error(error);
      return;
    } finally {
      this.#isAsked = false;
    }
    if (this.#isOver) {
      this.#close();
    } else if (next.done === true) {
      this.#isOver = true;
      this.#taker.complete();
    } else {
      this.#given++;
      this.#taker.next(next.value);
    }
  }

  #close(): void {
    try {
      this.#iterator?.return?.();
    } catch {
      // What a generator throws on its way out concerns nobody who has left.
    }
  }
}

class PullInlet<T> implements Inlet {
  readonly left: undefined;
  readonly #open: () => Puller<T>;
  readonly #taker: Taker<T>;
  #puller: Puller<T> | undefined;
  #isWaiting = false;
  #isOver = false;

  constructor(open: () => Puller<T>, taker: Taker<T>) {
    this.#open = open;
    this.#taker = taker;
  }

  resume(): void {
    if (this.#isWaiting || this.#isOver || !this.#taker.hasRoom) return;
    this.#isWaiting = true;
    try {
      this.#puller ??= this.#open();
      this.#ask(this.#puller);
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    if (!this.#isOver) this.#puller?.stop();
    this.#isOver = true;
  }

  #ask(puller: Puller<T>): void {
    // Opening it is somebody else's code, which may have stopped this.
    if (this.#isOver) {
      puller.stop();
      return;
    }
    puller.next().then(
      (piece) => {
        if (this.#isOver) return;
        this.#isWaiting = false;
        if (piece.done === true) {
          this.#isOver = true;
          this.#taker.complete();
        } else {
          this.#taker.next(piece.value);
          this.resume();
        }
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#taker.error(error);
  }
}

class PushInlet<T> implements Inlet {
  readonly #source$: ObservableInput<T>;
  readonly #taker: Taker<T>;
  readonly #queue: Queue<T> = new Queue();
  #subscription: Subscription | undefined;
  #isBusy = false;
  #isComplete = false;
  #isOver = false;

  constructor(source: ObservableInput<T>, taker: Taker<T>) {
    this.#source$ = source;
    this.#taker = taker;
  }

  get left(): number | undefined {
    return this.#isComplete ? this.#queue.length : undefined;
  }

  resume(): void {
    if (this.#isOver) return;
    if (this.#subscription === undefined) this.#open();
    else this.#drain();
  }

  stop(): void {
    this.#isOver = true;
    this.#subscription?.unsubscribe();
  }

  #open(): void {
    const linked$: Observable<T> = new Observable((subscriber) => {
      // Known before the source is subscribed to, so that leaving stops a synchronous one too.
      this.#subscription = subscriber;
      from(this.#source$).subscribe(subscriber);
    });
    linked$.subscribe({
      next: (value) => {
        this.#queue.push(value);
        this.#drain();
      },
      error: (error: unknown) => {
        this.#isOver = true;
        this.#taker.error(error);
      },
      complete: () => {
        this.#isComplete = true;
        this.#drain();
      },
    });
  }

  #drain(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (!this.#isOver && this.#queue.length > 0 && this.#taker.hasRoom)
      this.#taker.next(this.#queue.shift());
    this.#isBusy = false;
    if (this.#isOver || !this.#isComplete || this.#queue.length > 0) return;
    this.#isOver = true;
    this.#taker.complete();
  }
}
