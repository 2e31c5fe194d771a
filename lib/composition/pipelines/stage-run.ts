import {
  asyncScheduler,
  Observable,
  type Observer,
  type SchedulerLike,
  type Subscriber,
} from 'rxjs';
import { ConnectionLostError, UnsupportedError } from '../../process/errors/errors.js';
import type { OperationRef } from '../../process/operation-ref.js';
import type { RunLifecycle } from '../../process/process-controls.js';
import type { OutputEvent, ProcessEvent, StageStatus } from '../../process/process-event.js';
import type { OpenRun } from '../../sandbox/sandbox.js';
import type { Pipe } from './pipe.js';

/**
 * How long a command may go on writing into a closed pipe after it was sent the signal, before it is ended. What it wrote
 * before is still on its way then, and a busy machine takes its time with it.
 */
const brokenPipeGraceMs = 1_000;

/** What a stage tells its pipeline. */
export interface StageObserver {
  output(event: OutputEvent): void;
  /** Its status is known, or it was ended. */
  ended(): void;
  failed(error: unknown): void;
}

/** What a stage is made of. */
interface StageOptions {
  readonly command: readonly string[];
  readonly scheduler: SchedulerLike | undefined;
  /** Where its input comes from, unless it is the first. */
  readonly input: Pipe | undefined;
  /** Where its output goes to, unless it is the last. */
  readonly output: Pipe | undefined;
}

/** One command of a pipeline, which waits for the one that it writes to. */
export class StageRun implements Observer<ProcessEvent> {
  /** How it ended, once it has. */
  status: StageStatus | undefined;
  readonly #run: OpenRun;
  readonly #command: readonly string[];
  readonly #scheduler: SchedulerLike;
  readonly #observer: StageObserver;
  readonly #input: Pipe | undefined;
  readonly #output: Pipe | undefined;
  #subscriber: Subscriber<ProcessEvent> | undefined;
  #isHeld = false;
  #isPaused = false;
  /** It is being told, or was, that nobody reads it any more. */
  #isBroken = false;
  /** When it had been told. */
  #toldAtMs: number | undefined;

  constructor(
    run: OpenRun,
    { command, scheduler = asyncScheduler, input, output }: StageOptions,
    observer: StageObserver,
  ) {
    this.#input = input;
    this.#output = output;
    output?.connect(() => {
      this.#pauseOrResume();
    });
    this.#run = run;
    this.#command = command;
    this.#scheduler = scheduler;
    this.#observer = observer;
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
    this.#input?.break();
    this.#subscriber?.unsubscribe();
  }

  next(event: ProcessEvent): void {
    if (event.type === 'exit') {
      const { returncode, signal } = event;
      this.#end({ command: this.#command, returncode, ...(signal !== undefined && { signal }) });
    } else if (event.type === 'stdout' && this.#output !== undefined) {
      if (!this.#output.write(event.data)) this.#break();
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
    this.#input?.break();
    this.#output?.close();
    this.#observer.ended();
  }

  /** It writes, and nobody reads: what the system tells by a signal, and by an error to whom that does not end. */
  #break(): void {
    if (!this.#isBroken) {
      this.#isBroken = true;
      this.#tellBroken();
    } else if (
      this.#toldAtMs !== undefined &&
      this.#scheduler.now() - this.#toldAtMs >= brokenPipeGraceMs
    ) {
      this.#giveUp();
    }
  }

  #tellBroken(): void {
    const told = (): void => {
      this.#toldAtMs = this.#scheduler.now();
    };
    this.kill('SIGPIPE').result$.subscribe({
      complete: told,
      error: (error: unknown) => {
        if (error instanceof UnsupportedError) this.#giveUp();
        // Where it is over meanwhile, its exit is on the way.
        else told();
      },
    });
  }

  #giveUp(): void {
    this.stop();
    this.#end({ command: this.#command, returncode: null });
  }

  #pauseOrResume(): void {
    const isPaused = this.#isHeld || this.#output?.isFull === true;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#run.controls.pause(isPaused);
  }
}
