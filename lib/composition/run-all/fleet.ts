import type { ObservableInput, Subscriber } from 'rxjs';
import { SandboxTimeoutError } from '../../process/errors/errors.js';
import { LiveMap } from '../../process/live-map.js';
import { CommandRun, type CommandOwner, type Thrown } from './command-run.js';
import { inletOf, type Inlet, type Taker } from '../inlet.js';
import { Progress } from './progress.js';
import type { CommandOutcome, CommandStep, RunAllEvent } from './run-all-event.js';
import type { CommandInput, Plan } from './run-all-options.js';

/** Many commands, a few at a time: takes them from their source as there is room, and tells what becomes of each. */
export class Fleet implements CommandOwner, Taker<CommandInput> {
  readonly #plan: Plan;
  readonly #subscriber: Subscriber<RunAllEvent>;
  readonly #progress: Progress;
  readonly #inlet: Inlet;
  readonly #live: LiveMap<number, CommandRun> = new LiveMap();
  /** Outcomes that wait for those of earlier commands. */
  readonly #held: LiveMap<number, CommandOutcome> = new LiveMap();
  #told = 0;
  #isExhausted = false;
  #isOver = false;

  constructor(
    commands$: ObservableInput<CommandInput>,
    plan: Plan,
    subscriber: Subscriber<RunAllEvent>,
  ) {
    this.#plan = plan;
    this.#subscriber = subscriber;
    this.#progress = new Progress(plan.scheduler);
    this.#inlet = inletOf(commands$, this);
  }

  start(): void {
    const { totalTimeoutMs, scheduler } = this.#plan;
    this.#subscriber.add(() => {
      this.#leave();
    });
    if (totalTimeoutMs !== undefined) {
      const message = `the commands were killed: all of them took longer than totalTimeoutMs of ${totalTimeoutMs}`;
      this.#subscriber.add(
        scheduler.schedule(() => {
          this.#fail(new SandboxTimeoutError(totalTimeoutMs, {}, message));
        }, totalTimeoutMs),
      );
    }
    this.#inlet.resume();
  }

  get hasRoom(): boolean {
    if (this.#isOver) return false;
    return this.#live.size < this.#plan.concurrency && this.#held.size < this.#plan.maxHeld;
  }

  next(input: CommandInput): void {
    const run = new CommandRun(this.#progress.taken, this.#plan, this);
    this.#progress.taken++;
    this.#live.set(run.index, run);
    run.start(input);
  }

  error(error: unknown): void {
    this.#isExhausted = true;
    this.#fail(error);
  }

  complete(): void {
    this.#isExhausted = true;
    this.#endWhenOver();
  }

  tell(step: CommandStep): void {
    if (step.type === 'retrying') this.#progress.retried++;
    const left = this.#isExhausted ? 0 : this.#inlet.left;
    this.#subscriber.next({ ...step, progress: this.#progress.now(left) });
  }

  over(run: CommandRun, outcome: CommandOutcome, thrown?: Thrown): void {
    this.#live.delete(run.index);
    this.#progress[outcome.type]++;
    if (this.#plan.isOrdered) this.#hold(outcome);
    else this.tell(outcome);
    if (thrown !== undefined) this.#fail(thrown.error);
    else if (this.#plan.stopsOnError && outcome.type === 'failed') this.#fail(outcome.error);
    if (this.#isOver) return;
    this.#inlet.resume();
    this.#endWhenOver();
  }

  /** Ends all: kills what runs, tells that, and what waited to be told. */
  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inlet.stop();
    for (const run of this.#live.values()) run.cancel(error);
    this.#subscriber.error(error);
  }

  #hold(outcome: CommandOutcome): void {
    this.#held.set(outcome.index, outcome);
    for (let next = this.#held.get(this.#told); next !== undefined;) {
      this.#held.delete(this.#told);
      this.#told++;
      this.tell(next);
      next = this.#held.get(this.#told);
    }
  }

  #endWhenOver(): void {
    if (this.#isOver || !this.#isExhausted || this.#live.size > 0) return;
    this.#isOver = true;
    this.#subscriber.complete();
  }

  #leave(): void {
    this.#isOver = true;
    this.#inlet.stop();
    for (const run of this.#live.values()) run.leave();
  }
}
