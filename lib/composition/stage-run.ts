import {
  asyncScheduler,
  Observable,
  type Observer,
  type SchedulerLike,
  type Subscriber,
} from 'rxjs';
import { ConnectionLostError, UnsupportedError } from '../process/errors/errors.js';
import type { OperationRef } from '../process/operation-ref.js';
import type { RunLifecycle } from '../process/process-controls.js';
import type { OutputEvent, ProcessEvent, StageStatus } from '../process/process-event.js';
import type { StreamWriter } from '../process/stream-writer.js';
import type { OpenRun } from '../sandbox/sandbox.js';
import { Pipe } from './pipe.js';

/** How long a command may go on writing into a closed pipe after it was told so, before it is ended. */
const brokenPipeGraceMs = 200;

/** What a stage tells its pipeline. */
export interface StageObserver {
  output(event: OutputEvent): void;
  /** Its status is known, or it was ended. */
  ended(): void;
  failed(error: unknown): void;
}

/** How a stage is told apart. */
interface StageOptions {
  readonly command: readonly string[];
  readonly scheduler: SchedulerLike | undefined;
}

/** One command of a pipeline, which waits for the one that it writes to. */
export class StageRun implements Observer<ProcessEvent> {
  /** How it ended, once it has. */
  status: StageStatus | undefined;
  readonly #run: OpenRun;
  readonly #command: readonly string[];
  readonly #scheduler: SchedulerLike;
  readonly #observer: StageObserver;
  #subscriber: Subscriber<ProcessEvent> | undefined;
  #pipe: Pipe | undefined;
  #isHeld = false;
  #isPaused = false;
  /** When it was told that nobody reads it any more. */
  #brokenAtMs: number | undefined;

  constructor(
    run: OpenRun,
    { command, scheduler = asyncScheduler }: StageOptions,
    observer: StageObserver,
  ) {
    this.#run = run;
    this.#command = command;
    this.#scheduler = scheduler;
    this.#observer = observer;
  }

  /** Standard input, where it was asked for with `stdin: true`. */
  get stdin(): StreamWriter | undefined {
    return this.#run.controls.stdin;
  }

  /** Gives its standard output to another command. */
  pipe(stdin: StreamWriter): void {
    this.#pipe = new Pipe(stdin, {
      changed: () => {
        this.#pauseOrResume();
      },
    });
  }

  start(lifecycle: RunLifecycle): void {
    this.#run.controls.connect(lifecycle);
    const linked$: Observable<ProcessEvent> = new Observable((subscriber) => {
      // Known before the run is subscribed to, so that a synchronous one can be stopped.
      this.#subscriber = subscriber;
      this.#run.events$.subscribe(subscriber);
    });
    linked$.subscribe(this);
  }

  /** Stops reading, or goes on. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#pauseOrResume();
  }

  kill(signal: string): OperationRef<void> {
    return this.#run.controls.kill(signal);
  }

  /** Ends its process tree, where it still runs. */
  stop(): void {
    this.stdin?.end();
    this.#subscriber?.unsubscribe();
  }

  next(event: ProcessEvent): void {
    if (event.type === 'exit') {
      const { returncode, signal } = event;
      this.#end({ command: this.#command, returncode, ...(signal !== undefined && { signal }) });
    } else if (event.type === 'stdout' && this.#pipe !== undefined) {
      if (!this.#pipe.write(event.data)) this.#break();
    } else {
      this.#observer.output(event);
    }
  }

  error(error: unknown): void {
    this.#observer.failed(error);
  }

  complete(): void {
    if (this.status !== undefined) return;
    const message =
      'a command of the pipeline ended without an exit status; its outcome is not known';
    this.#observer.failed(new ConnectionLostError(message, { runId: this.#run.id }));
  }

  #end(status: StageStatus): void {
    if (this.status !== undefined) return;
    this.status = status;
    this.stdin?.end();
    this.#pipe?.close();
    this.#observer.ended();
  }

  /** It writes, and nobody reads: what the system tells by a signal, and by an error to whom that does not end. */
  #break(): void {
    const now = this.#scheduler.now();
    if (this.#brokenAtMs === undefined) {
      this.#brokenAtMs = now;
      // Where it is over meanwhile, its exit is on the way.
      this.kill('SIGPIPE').result$.subscribe({
        error: (error: unknown) => {
          if (error instanceof UnsupportedError) this.#giveUp();
        },
      });
    } else if (now - this.#brokenAtMs >= brokenPipeGraceMs) {
      this.#giveUp();
    }
  }

  #giveUp(): void {
    this.stop();
    this.#end({ command: this.#command, returncode: null });
  }

  #pauseOrResume(): void {
    const isPaused = this.#isHeld || this.#pipe?.isFull === true;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#run.controls.pause(isPaused);
  }
}
