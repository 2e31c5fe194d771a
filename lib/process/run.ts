import { Observable, Subject, type Observer, type Subscriber } from 'rxjs';
import type { Chunk } from './chunk-decoder.js';
import { ChunkChannel, replayEnded, terminate } from './chunk-channel.js';
import { CancelledError, ConnectionLostError, OutputLimitError } from './errors/errors.js';
import type { SandboxErrorDetails } from './errors/sandbox-error.js';
import { exitStatusError } from './exit-status-error.js';
import { FlowControl } from './flow-control.js';
import { OutputLog } from './output-log.js';
import type { RunLifecycle } from './process-controls.js';
import type { ExitEvent, OutputStream, ProcessEvent } from './process-event.js';
import type { ResolvedOptions } from './process-options.js';
import { ProcessResult } from './process-result.js';
import { Settlement } from './settlement.js';
import { endOfEvents, tell, type ProcessState, type RunEnd } from './run-end.js';
import { StreamReader } from './stream-reader.js';
import { Turns } from './turns.js';

export type { ProcessState } from './run-end.js';

/** What has been asked for of one output stream; nothing is made before. */
interface Consumers<T extends Chunk> {
  channel?: ChunkChannel<T>;
  reader?: StreamReader<T>;
}

/**
 * The one subscription to a run's events, and everything that is derived from it: what is retained, who is told,
 * when to pause, and how it ended. {@link Process} is the handle that users hold.
 */
export class Run<T extends Chunk> implements Observer<ProcessEvent>, RunLifecycle {
  readonly settlement: Settlement<ProcessResult> = new Settlement();
  end: RunEnd | undefined;
  readonly #command: readonly string[];
  readonly #options: ResolvedOptions;
  readonly #log = new OutputLog();
  #flowControl: FlowControl | undefined;
  readonly #startedAt: number;
  #stdout: Consumers<T> | undefined;
  #stderr: Consumers<T> | undefined;
  #subscription: Subscriber<ProcessEvent> | undefined;
  #finalized: Settlement<void> | undefined;
  #events: Subject<ProcessEvent> | undefined;
  #states: Subject<ProcessState> | undefined;
  #state: ProcessState = 'starting';
  #paused = false;
  readonly #turns = new Turns();

  constructor(command: readonly string[], options: ResolvedOptions) {
    this.#command = command;
    this.#options = options;
    this.#startedAt = options.now();
  }

  get #flow(): FlowControl {
    return (this.#flowControl ??= new FlowControl(this.#log, this.#options));
  }

  /** Settles when nothing of the run is left. */
  get finalized(): Settlement<void> {
    return (this.#finalized ??= new Settlement());
  }

  get state(): ProcessState {
    return this.#state;
  }

  start(source: Observable<ProcessEvent>): void {
    const { controls } = this.#options;
    controls?.connect?.(this);
    const linked$: Observable<ProcessEvent> = new Observable((subscriber) => {
      // Known before the source is subscribed to, so that a synchronous one can be stopped.
      this.#subscription = subscriber;
      source.subscribe(subscriber);
      if (controls?.connect !== undefined) return;
      subscriber.add(() => {
        this.closed();
      });
    });
    linked$.subscribe(this);
  }

  next(event: ProcessEvent): void {
    this.#turns.give(event, this);
  }

  error(error: unknown): void {
    this.#turns.take(() => {
      this.#fail(error);
    });
  }

  complete(): void {
    this.#turns.take(() => {
      if (this.end !== undefined) return;
      const message = 'the run ended without an exit status; its outcome is not known';
      this.#fail(new ConnectionLostError(message, this.#details));
    });
  }

  started(): void {
    this.#turns.take(() => {
      this.#begin();
    });
  }

  closed(): void {
    this.finalized.settle({ ok: true, value: undefined });
  }

  cancel(): boolean {
    if (this.end !== undefined) return false;
    const error = new CancelledError(undefined, this.#details);
    this.#finish({ state: 'cancelled', outcome: { ok: false, error }, chunks: 'complete' });
    return true;
  }

  /** A step of its own, which `next` waits for its turn to take. */
  take(event: ProcessEvent): void {
    if (this.end !== undefined) return;
    this.#begin();
    if (event.type === 'exit') {
      this.#exit(event);
      return;
    }
    this.#log.append(event);
    this.#events?.next(event);
    const consumers = event.type === 'stdout' ? this.#stdout : this.#stderr;
    consumers?.channel?.advance();
    consumers?.reader?.notify();
    if (this.#flow.grown(event.type)) this.#pauseOrResume();
    else this.#outgrown(event.type);
  }

  #begin(): void {
    if (this.#state === 'starting') this.#enter('running');
  }

  #fail(error: unknown): void {
    const state = error instanceof CancelledError ? 'cancelled' : 'failed';
    this.#finish({ state, outcome: { ok: false, error }, chunks: { error } });
  }

  /** Hands over what is retained in the order of its arrival, then what comes. */
  subscribeEvents(subscriber: Subscriber<ProcessEvent>): void {
    this.#log.cursor().replay(subscriber);
    if (this.end === undefined) {
      subscriber.add((this.#events ??= new Subject()).subscribe(subscriber));
      return;
    }
    if (this.end.exit !== undefined) subscriber.next(this.end.exit);
    terminate(subscriber, endOfEvents(this.end));
  }

  subscribeStates(subscriber: Subscriber<ProcessState>): void {
    let told: ProcessState | undefined;
    // Being told may change the state, and the subscriber is not among those who are told of that yet.
    while (told !== this.#state) subscriber.next((told = this.#state));
    if (this.end !== undefined) subscriber.complete();
    else subscriber.add((this.#states ??= new Subject()).subscribe(subscriber));
  }

  subscribeChunks(stream: OutputStream, subscriber: Subscriber<T>): void {
    const log = this.#log[stream];
    const { encoding } = this.#options;
    if (this.end !== undefined) {
      replayEnded(log, encoding, { subscriber, end: this.end.chunks });
      return;
    }
    const consumers = this.#consumers(stream);
    (consumers.channel ??= new ChunkChannel(log, encoding)).subscribe(subscriber);
  }

  reader(stream: OutputStream): StreamReader<T> {
    return (this.#consumers(stream).reader ??= new StreamReader<T>(this.#readerSource(stream)));
  }

  #readerSource(stream: OutputStream): ConstructorParameters<typeof StreamReader<T>>[0] {
    return {
      log: this.#log[stream],
      encoding: this.#options.encoding,
      end: () => this.end && endOfEvents(this.end),
      read: (offset) => {
        // What is kept at the end is the result's: reading on does not take it away.
        if (this.end !== undefined) return;
        this.#flow.read(stream, offset);
        this.#pauseOrResume();
      },
      close: () => {
        if (this.end !== undefined) return;
        this.#flow.abandon(stream);
        this.#pauseOrResume();
      },
    };
  }

  #consumers(stream: OutputStream): Consumers<T> {
    return stream === 'stdout' ? (this.#stdout ??= {}) : (this.#stderr ??= {});
  }

  #pauseOrResume(): void {
    if (this.#paused === this.#flow.paused) return;
    this.#paused = this.#flow.paused;
    this.#options.controls?.pause?.(this.#paused);
  }

  #outgrown(stream: OutputStream): void {
    const { retainBytes } = this.#options;
    const message = `${stream} outgrew its retainBytes of ${retainBytes} with overflow 'fail'; read it, or raise retainBytes`;
    this.#fail(new OutputLimitError(message, retainBytes, this.#details));
  }

  #exit(exit: ExitEvent): void {
    const { stdout, stderr } = this.#log;
    const { encoding, check } = this.#options;
    const durationMs = this.#options.now() - this.#startedAt;
    const result = new ProcessResult(this.#command, exit, { stdout, stderr, encoding, durationMs });
    if (check && exit.returncode !== 0) {
      const error = exitStatusError(result, this.#details);
      this.#finish({ state: 'failed', exit, outcome: { ok: false, error }, chunks: { error } });
    } else {
      this.#finish({
        state: 'exited',
        exit,
        outcome: { ok: true, value: result },
        chunks: 'complete',
      });
    }
  }

  /** The first end is the one that counts. */
  #finish(end: RunEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.#state = end.state;
    this.#options.controls?.stdin?.end();
    try {
      if (end.exit === undefined) this.#subscription?.unsubscribe();
    } finally {
      this.#turns.take(() => {
        this.#announce(end);
      });
    }
  }

  #announce(end: RunEnd): void {
    if (this.#events !== undefined) {
      if (end.exit !== undefined) this.#events.next(end.exit);
      terminate(this.#events, endOfEvents(end));
    }
    finishConsumers(this.#stdout, end);
    finishConsumers(this.#stderr, end);
    this.#states?.next(end.state);
    this.#states?.complete();
    this.settlement.settle(end.outcome);
    tell(this.#options.statsCallback, end);
  }

  #enter(state: ProcessState): void {
    this.#state = state;
    this.#states?.next(state);
  }

  get #details(): SandboxErrorDetails {
    const { id: runId, controls } = this.#options;
    const sandboxId = controls?.sandboxId;
    return {
      ...(runId !== undefined && { runId }),
      ...(sandboxId !== undefined && { sandboxId }),
    };
  }
}

function finishConsumers<T extends Chunk>(consumers: Consumers<T> | undefined, end: RunEnd): void {
  consumers?.channel?.finish(end.chunks);
  consumers?.reader?.notify();
}
