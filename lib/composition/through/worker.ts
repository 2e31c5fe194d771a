import { Observable, Subject, type Observer, type Subscriber } from 'rxjs';
import { TextStreamDecoder } from '../../process/text-stream-decoder.js';
import type { ExitEvent, ProcessEvent } from '../../process/process-event.js';
import type { OpenRun } from '../../sandbox/sandbox.js';
import { Queue } from '../../process/queue.js';
import { FrameWriter } from './frame-writer.js';
import type { Codec, Frame } from './framing.js';

/** There is no answer yet. */
export const pending: unique symbol = Symbol('pending');

/** There will be none: the request was left out. */
export const dropped: unique symbol = Symbol('dropped');

/** A value that is to be answered. */
export interface Request<In, Out> {
  readonly value: In;
  readonly frame: Frame;
  /** What it counts for, while it is waited for. */
  length: number;
  /** How many processes have ended while this was the first that they had not answered. */
  losses: number;
  answer: Out | typeof pending | typeof dropped;
}

/** Who works with a worker. */
export interface WorkerOwner<In, Out> {
  answered(request: Request<In, Out> | undefined, answer: Out): void;
  /** It has answered what it has, for now: it may be sent more. */
  caughtUp(): void;
  /** It has ended. */
  ended(worker: Worker<In, Out>, exit: ExitEvent): void;
  failed(error: unknown, worker: Worker<In, Out>): void;
}

/** How much of what a process says on standard error is kept. */
const maxSaidLength = 2048;

/** One process that answers requests, in their order. */
export class Worker<In, Out> implements Observer<ProcessEvent> {
  /** What it was given and has not answered. */
  readonly unanswered: Queue<Request<In, Out>> = new Queue();
  /** What it said last on standard error. */
  said = '';
  readonly #run: OpenRun;
  readonly #owner: WorkerOwner<In, Out>;
  readonly #frames: FrameWriter | undefined;
  readonly #output: Subject<Uint8Array> = new Subject();
  readonly #decoder = new TextStreamDecoder('utf-8');
  #exit: ExitEvent | undefined;
  #subscriber: Subscriber<ProcessEvent> | undefined;
  #isFinishing = false;

  constructor(run: OpenRun, codec: Codec, owner: WorkerOwner<In, Out>) {
    this.#run = run;
    this.#owner = owner;
    const { stdin } = run.controls;
    if (stdin !== undefined) this.#frames = new FrameWriter(stdin, ignore);
    this.#output.pipe(codec.decode()).subscribe({
      next: (answer) => {
        const request = this.unanswered.length > 0 ? this.unanswered.shift() : undefined;
        // What a codec reads is what the caller says that the process writes.
        owner.answered(request, answer as Out);
      },
      error: (error: unknown) => {
        owner.failed(error, this);
      },
    });
  }

  start(): void {
    const linked$: Observable<ProcessEvent> = new Observable((subscriber) => {
      // Known before the run is subscribed to, so that a synchronous one can be stopped.
      this.#subscriber = subscriber;
      this.#run.events$.subscribe(subscriber);
    });
    linked$.subscribe(this);
  }

  send(request: Request<In, Out>): void {
    this.unanswered.push(request);
    this.#frames?.push(request.frame);
  }

  /** What it is sent from now on waits for {@link Worker.uncork}, to be written together. */
  cork(): void {
    this.#frames?.cork();
  }

  uncork(): void {
    this.#frames?.uncork();
  }

  /** EOF: nothing more is sent. */
  finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    this.#frames?.close();
  }

  /** Whether it can be sent more. */
  get isOpen(): boolean {
    return !this.#isFinishing;
  }

  stop(): void {
    this.#run.controls.stdin?.end();
    this.#subscriber?.unsubscribe();
  }

  next(event: ProcessEvent): void {
    if (event.type === 'stdout') {
      this.#output.next(event.data);
      this.#owner.caughtUp();
    } else if (event.type === 'exit') this.#exit = event;
    else this.said = (this.said + this.#decoder.decode(event.data)).slice(-maxSaidLength);
  }

  error(error: unknown): void {
    this.#run.controls.stdin?.end();
    this.#owner.failed(error, this);
  }

  complete(): void {
    this.#run.controls.stdin?.end();
    if (this.#exit === undefined) return;
    // The last line of one that failed may be half an answer.
    if (this.#exit.returncode === 0) this.#output.complete();
    this.#owner.ended(this, this.#exit);
  }
}

function ignore(): void {
  // How much is on its way is counted by requests.
}
