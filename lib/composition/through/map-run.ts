import type { ObservableInput, Subscriber } from 'rxjs';
import { ConnectionLostError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { ExitEvent } from '../../process/process-event.js';
import type { OpenRun } from '../../sandbox/sandbox.js';
import { Queue } from '../../process/queue.js';
import { frameLength, type Codec } from './framing.js';
import { inletOf, type Inlet, type Taker } from '../inlet.js';
import { overflown, type WaitLimits } from './through-options.js';
import { dropped, pending, Worker, type Request, type WorkerOwner } from './worker.js';

/** How a {@link MapRun} works. */
export interface MapRunOptions<In, Out> {
  readonly open: () => OpenRun;
  /** For messages. */
  readonly program: string;
  readonly codec: Codec;
  readonly limits: WaitLimits;
  /** The source cannot be made to wait. */
  readonly pushes: boolean;
  readonly concurrency: number;
  readonly maxInFlight: number;
  readonly retries: number;
  readonly onLost: ((error: SandboxError, request: In) => Out) | undefined;
}

/** One stream of requests and the workers that answer them. */
export class MapRun<In, Out> implements Taker<In>, WorkerOwner<In, Out> {
  readonly #options: MapRunOptions<In, Out>;
  readonly #subscriber: Subscriber<Out>;
  readonly #inlet: Inlet;
  readonly #workers: Set<Worker<In, Out>> = new Set();
  /** All that has not been emitted, in the order in which it came. */
  readonly #order: Queue<Request<In, Out>> = new Queue();
  /** What no worker has been given yet. */
  readonly #waiting: Queue<Request<In, Out>> = new Queue();
  /** What a worker was given that has ended: it comes before what waits. */
  #again: Request<In, Out>[] = [];
  /** Length of all that has not been emitted. */
  #length = 0;
  #isComplete = false;
  #isEmitting = false;

  constructor(
    source: ObservableInput<In>,
    subscriber: Subscriber<Out>,
    options: MapRunOptions<In, Out>,
  ) {
    this.#subscriber = subscriber;
    this.#options = options;
    this.#inlet = inletOf(source, this);
    subscriber.add(() => {
      this.#inlet.stop();
      for (const worker of this.#workers) worker.stop();
    });
  }

  start(): void {
    this.#pull();
  }

  get hasRoom(): boolean {
    const { pushes, limits, concurrency, maxInFlight } = this.#options;
    if (pushes) return true;
    return this.#length < limits.bufferBytes && this.#order.length < concurrency * maxInFlight;
  }

  next(value: In): void {
    if (this.#subscriber.closed) return;
    try {
      const frame = this.#options.codec.encode(value);
      const request: Request<In, Out> = {
        value,
        frame,
        length: frameLength(frame),
        losses: 0,
        answer: pending,
      };
      this.#order.push(request);
      this.#length += request.length;
      this.#waiting.push(request);
      this.#give();
      if (this.#options.pushes) this.#limit();
    } catch (error) {
      this.error(error);
    }
  }

  error(error: unknown): void {
    this.#subscriber.error(error);
  }

  complete(): void {
    this.#isComplete = true;
    this.#finish();
  }

  answered(request: Request<In, Out> | undefined, answer: Out): void {
    if (request === undefined) {
      const message = `${this.#options.program} gave an answer that nobody asked for`;
      this.error(new SandboxError('ERR_BAD_ANSWER', message));
      return;
    }
    request.answer = answer;
    if (this.#order.at(0) === request) this.#emit();
  }

  caughtUp(): void {
    this.#give();
    if (this.#isComplete) this.#finish();
    else if (this.#isAnyHalfIdle()) this.#pull();
  }

  /** Requests are taken many at a time: one for each answer would be as many writes, and wake the worker for each. */
  #isAnyHalfIdle(): boolean {
    const most = this.#options.maxInFlight / 2;
    for (const { unanswered } of this.#workers) if (unanswered.length <= most) return true;
    return false;
  }

  ended(worker: Worker<In, Out>, { returncode, signal }: ExitEvent): void {
    this.#lost(worker, signal === undefined ? `exit status ${returncode}` : `signal ${signal}`);
  }

  failed(error: unknown, worker: Worker<In, Out>): void {
    if (error instanceof ConnectionLostError && worker.unanswered.length > 0)
      this.#lost(worker, error.message);
    else this.error(error);
  }

  /** The worker is gone: what it had not answered goes to another one, or is given up. */
  #lost(worker: Worker<In, Out>, why: string): void {
    if (this.#subscriber.closed) return;
    this.#workers.delete(worker);
    const first = worker.unanswered.at(0);
    const again: Request<In, Out>[] = [];
    while (worker.unanswered.length > 0) again.push(worker.unanswered.shift());
    this.#again = [...again, ...this.#again];
    if (first !== undefined && ++first.losses > this.#options.retries) {
      this.#again.shift();
      this.#giveUp(first, `${why}${worker.said === '' ? '' : `\n${worker.said.trimEnd()}`}`);
    }
    this.#give();
    this.#finish();
    this.#pull();
  }

  /** Takes as much of the source as there is room for. */
  #pull(): void {
    for (const worker of this.#workers) worker.cork();
    this.#inlet.resume();
    for (const worker of this.#workers) worker.uncork();
  }

  #giveUp(request: Request<In, Out>, why: string): void {
    const { onLost, program } = this.#options;
    const times = request.losses === 1 ? '' : `, ${request.losses} times`;
    const message = `${program} ended without an answer to a request${times}: ${why}`;
    const error = new SandboxError('ERR_BAD_ANSWER', message);
    if (onLost === undefined) {
      this.error(error);
      return;
    }
    try {
      request.answer = onLost(error, request.value);
      this.#emit();
    } catch (thrown) {
      this.error(thrown);
    }
  }

  /** Gives what waits to those who have the least to do. */
  #give(): void {
    while (!this.#subscriber.closed && (this.#again.length > 0 || this.#waiting.length > 0)) {
      const worker = this.#leastBusy();
      if (worker === undefined) return;
      worker.send(this.#again.shift() ?? this.#waiting.shift());
    }
  }

  #leastBusy(): Worker<In, Out> | undefined {
    const { concurrency, maxInFlight } = this.#options;
    let least: Worker<In, Out> | undefined;
    for (const worker of this.#workers) {
      const { length } = worker.unanswered;
      if (worker.isOpen && length < (least?.unanswered.length ?? maxInFlight)) least = worker;
    }
    if (least?.unanswered.length === 0 || this.#workers.size >= concurrency) return least;
    return this.#start();
  }

  #start(): Worker<In, Out> | undefined {
    const { open, codec } = this.#options;
    const worker = new Worker(open(), codec, this);
    this.#workers.add(worker);
    worker.start();
    return this.#workers.has(worker) ? worker : undefined;
  }

  /** Emits what is answered, as far as everything before it is. */
  #emit(): void {
    if (this.#isEmitting) return;
    this.#isEmitting = true;
    for (let first = this.#order.at(0); first !== undefined; first = this.#order.at(0)) {
      const { answer, length } = first;
      if (answer === pending) break;
      this.#order.shift();
      this.#length -= length;
      if (answer !== dropped) this.#subscriber.next(answer);
    }
    this.#isEmitting = false;
  }

  /** After the last request, the workers get EOF; the end of the last of them is the end. */
  #finish(): void {
    if (!this.#isComplete || this.#waiting.length > 0 || this.#again.length > 0) return;
    if (this.#workers.size === 0 && this.#order.length === 0) this.#subscriber.complete();
    for (const worker of this.#workers) worker.finish();
  }

  #limit(): void {
    const { limits } = this.#options;
    if (this.#length <= limits.bufferBytes) return;
    if (limits.overflow === 'fail') throw overflown(limits);
    let count = 0;
    for (; this.#length > limits.bufferBytes && this.#waiting.length > 0; count++) {
      const oldest = this.#waiting.shift();
      this.#length -= oldest.length;
      oldest.length = 0;
      oldest.answer = dropped;
    }
    this.#emit();
    if (count > 0) limits.onDrop?.(count);
  }
}
