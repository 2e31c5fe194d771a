import { filter, map, Observable, Subject, type Observer, type Subscriber } from 'rxjs';
import { terminate, type StreamEnd } from '../process/chunk-channel.js';
import { CancelledError } from '../process/errors/errors.js';
import { OutputLog } from '../process/output-log.js';
import type {
  ExitEvent,
  OutputEvent,
  OutputStream,
  ProcessEvent,
} from '../process/process-event.js';
import type { RunLifecycle } from '../process/process-controls.js';
import { Turns } from '../process/turns.js';
import { PauseVotes } from './pause-votes.js';

/** What is kept of each stream of a run for those who attach to it. */
const retainBytes = 1_048_576;

type Offsets = Partial<Record<OutputStream, number>>;

/** How a run is observed. */
export interface Observing {
  /** Offsets from which to observe each stream. Default: what is kept. */
  readonly from?: Offsets | undefined;
  /** To be told that the process runs. */
  readonly lifecycle?: Pick<RunLifecycle, 'started'> | undefined;
  /** Whether the run is to pause for this observer. */
  readonly paused$?: Observable<boolean> | undefined;
}

/**
 * A run that belongs to its starter and can be observed by others: passes every event on, and keeps the last of its
 * output. Every run goes through one, so it does less than a `Process`.
 */
export class ObservedRun implements Observer<ProcessEvent> {
  readonly #owner: Subscriber<ProcessEvent>;
  readonly #ended: (end: StreamEnd, exit: ExitEvent | undefined) => void;
  readonly #reasonToTell: (error: unknown) => unknown;
  readonly #log = new OutputLog();
  readonly #turns = new Turns();
  readonly #pauses = new PauseVotes();
  #observers: Subject<ProcessEvent> | undefined;
  /** Who is to be told of the start. */
  #waiting: Set<() => void> | undefined;
  #running = false;
  #exit: ExitEvent | undefined;
  #end: StreamEnd | undefined;

  /**
   * The run ends when `owner` unsubscribes; `ended` is called once, when nothing more will happen. `reasonToTell` gives the
   * error that is told where the run fails.
   */
  constructor(
    owner: Subscriber<ProcessEvent>,
    ended: (end: StreamEnd, exit: ExitEvent | undefined) => void,
    reasonToTell: (error: unknown) => unknown,
  ) {
    this.#owner = owner;
    this.#ended = ended;
    this.#reasonToTell = reasonToTell;
  }

  /** Whether anybody wants the run to pause. */
  get paused$(): Observable<boolean> {
    return this.#pauses.paused$;
  }

  /** Starts the run, which pauses for its owner as `paused$` says. */
  start(source: Observable<ProcessEvent>, paused$: Observable<boolean>): void {
    const owner = this.#owner;
    const pausing = this.#pauses.join(paused$);
    owner.add(() => {
      this.#abandon();
    });
    const linked$: Observable<ProcessEvent> = new Observable((subscriber) => {
      // Known before the source is subscribed to, so that leaving stops a synchronous one.
      owner.add(subscriber);
      source.subscribe(subscriber);
    });
    linked$.subscribe(this);
    // Last, so that a paused run is ended and does not go on before.
    owner.add(pausing);
  }

  next(event: ProcessEvent): void {
    this.#turns.give(event, this);
  }

  error(error: unknown): void {
    const told = this.#reasonToTell(error);
    this.#turns.take(() => {
      this.#finish({ error: told });
    });
  }

  complete(): void {
    this.#turns.take(() => {
      this.#finish('complete');
    });
  }

  started(): void {
    this.#turns.take(() => {
      this.#running = true;
      for (const tell of this.#waiting ?? []) tell();
      this.#waiting = undefined;
    });
  }

  /** What is kept, from the given offsets on, and then what comes. */
  observe({ from, lifecycle, paused$ }: Observing = {}): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      if (lifecycle !== undefined && this.#end === undefined)
        this.#tellStart(lifecycle, subscriber);
      if (paused$ !== undefined && this.#end === undefined)
        subscriber.add(this.#pauses.join(paused$));
      this.#log.cursor(from).replay(subscriber);
      if (this.#exit !== undefined) subscriber.next(this.#exit);
      if (this.#end !== undefined) terminate(subscriber, this.#end);
      else subscriber.add(this.#live(from).subscribe(subscriber));
    });
  }

  #tellStart(lifecycle: Pick<RunLifecycle, 'started'>, subscriber: Subscriber<ProcessEvent>): void {
    if (this.#running) {
      lifecycle.started();
      return;
    }
    const tell = (): void => {
      lifecycle.started();
    };
    (this.#waiting ??= new Set()).add(tell);
    subscriber.add(() => this.#waiting?.delete(tell));
  }

  /** What comes from now on; only who is ahead of the run pays for what has to be left out. */
  #live(from: Offsets = {}): Observable<ProcessEvent> {
    const live$ = (this.#observers ??= new Subject());
    const { stdout, stderr } = this.#log;
    if ((from.stdout ?? 0) <= stdout.end && (from.stderr ?? 0) <= stderr.end) return live$;
    return live$.pipe(
      map((event) => (event.type === 'exit' ? event : beginAt(event, from[event.type]))),
      filter((event) => event !== undefined),
    );
  }

  /** A step of its own, which `next` waits for its turn to take. */
  take(event: ProcessEvent): void {
    if (this.#end !== undefined) return;
    if (event.type === 'exit') this.#exit = event;
    else this.#keep(event);
    this.#observers?.next(event);
    this.#owner.next(event);
  }

  #keep(event: OutputEvent): void {
    this.#log.append(event);
    const log = this.#log[event.type];
    log.dropBefore(log.end - retainBytes);
  }

  #abandon(): void {
    // Most runs are over by then, and an error costs a stack trace.
    if (this.#end !== undefined) return;
    if (this.#exit !== undefined) this.#finish('complete');
    else this.#finish({ error: new CancelledError('the run was ended by the one who started it') });
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#ended(end, this.#exit);
    if (this.#observers !== undefined) terminate(this.#observers, end);
    terminate(this.#owner, end);
  }
}

/** The part of an event from this offset on; `undefined` where it is all before it. */
function beginAt(event: OutputEvent, from = 0): OutputEvent | undefined {
  const { type, data, offset } = event;
  if (offset >= from) return event;
  if (offset + data.length <= from) return undefined;
  return { type, data: data.subarray(from - offset), offset: from };
}
