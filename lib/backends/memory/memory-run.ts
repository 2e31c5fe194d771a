import {
  from,
  isObservable,
  Subject,
  Subscription,
  type Observable,
  type ObservableInput,
  type SchedulerLike,
  type Subscriber,
} from 'rxjs';
import type { OutputStream, ProcessEvent } from '../../process/process-event.js';
import { encodeStdin } from '../../process/stdin.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import { statusOfSignal } from './signal-numbers.js';
import type { ProgramStep } from './program.js';

/** Steps that are taken in one go before other things get a turn. */
const stepsPerTurn = 64;

/** One run of a scripted program: takes its steps, waits while it is paused, and ends once. */
export class MemoryRun {
  readonly #subscriber: Subscriber<ProcessEvent>;
  readonly #scheduler: SchedulerLike;
  readonly #signals: Subject<string> = new Subject();
  readonly #work = new Subscription();
  /** The last turn that was scheduled. */
  #turn: Subscription | undefined;
  readonly #offsets: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  /** Steps that were pushed and not yet taken. */
  readonly #queue: ProgramStep[] = [];
  #next: () => ProgramStep | 'none' | 'over' = () => 'none';
  /** Standard error goes where standard output goes. */
  readonly #joined: boolean;
  #over = false;
  #paused = false;
  #scheduled = false;

  constructor(
    subscriber: Subscriber<ProcessEvent>,
    scheduler: SchedulerLike,
    { paused$, stderr, tty }: Pick<ExecRequest, 'paused$' | 'stderr' | 'tty'>,
  ) {
    this.#subscriber = subscriber;
    this.#scheduler = scheduler;
    this.#joined = stderr === 'stdout' || tty !== undefined;
    subscriber.add(this.#work);
    this.#work.add(() => this.#turn?.unsubscribe());
    this.#work.add(
      paused$.subscribe({
        next: (paused) => {
          this.#paused = paused;
          this.#schedule(0);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
  }

  /** Signals sent to the program. */
  get signal$(): Observable<string> {
    return this.#signals;
  }

  /** Iterables are asked for each step; everything else pushes, and is queued. */
  start(steps: ObservableInput<ProgramStep>): void {
    if (!isObservable(steps) && Symbol.iterator in steps) this.#startPulled(steps);
    else this.#startPushed(from(steps));
    this.#schedule(0);
  }

  /** A program that does not observe signals dies of them; of SIGKILL, every one does. */
  signal(signal: string): void {
    if (signal !== 'SIGKILL' && this.#signals.observed) this.#signals.next(signal);
    else this.#exit({ type: 'exit', returncode: statusOfSignal(signal), signal });
  }

  #startPulled(steps: Iterable<ProgramStep>): void {
    const iterator = steps[Symbol.iterator]();
    this.#work.add(() => iterator.return?.());
    this.#next = () => {
      const next = iterator.next();
      return next.done ? 'over' : next.value;
    };
  }

  #startPushed(steps: Observable<ProgramStep>): void {
    let over = false;
    this.#next = () => this.#queue.shift() ?? (over ? 'over' : 'none');
    this.#work.add(
      steps.subscribe({
        next: (step) => {
          this.#queue.push(step);
          this.#takeTurn();
        },
        error: (error: unknown) => {
          this.#subscriber.error(error);
        },
        complete: () => {
          over = true;
          this.#takeTurn();
        },
      }),
    );
  }

  #schedule(delayMs: number): void {
    if (this.#scheduled || this.#subscriber.closed) return;
    this.#scheduled = true;
    this.#turn = this.#scheduler.schedule(() => {
      this.#scheduled = false;
      this.#takeTurn();
    }, delayMs);
  }

  #takeTurn(): void {
    for (let taken = 0; taken < stepsPerTurn; taken++) {
      if (this.#paused || this.#scheduled || this.#subscriber.closed) return;
      let step: ProgramStep | 'none' | 'over';
      try {
        step = this.#next();
      } catch (error) {
        this.#subscriber.error(error);
        return;
      }
      if (step === 'none') return;
      this.#take(step === 'over' ? { type: 'exit', returncode: 0 } : step);
    }
    this.#schedule(0);
  }

  #take(step: ProgramStep): void {
    switch (step.type) {
      case 'delay':
        this.#schedule(step.ms);
        return;
      case 'exit':
        this.#exit(step);
        return;
      case 'stdout':
      case 'stderr': {
        const data = encodeStdin(step.data);
        const type = this.#joined ? 'stdout' : step.type;
        const offset = this.#offsets[type];
        this.#offsets[type] += data.length;
        this.#subscriber.next({ type, data, offset });
      }
    }
  }

  /** Telling the exit may end the sandbox, and so reach this run again: it exits once. */
  #exit(event: ProcessEvent): void {
    if (this.#over) return;
    this.#over = true;
    this.#subscriber.next(event);
    this.#subscriber.complete();
  }
}
