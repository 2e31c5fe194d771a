import { catchError, mergeMap, Observable, throwError, timer, type Subscription } from 'rxjs';
import { CancelledError, ConnectionLostError } from '../../process/errors/errors.js';
import { newId } from '../../process/new-id.js';
import type { ProcessResult } from '../../process/process-result.js';
import type { Process } from '../../process/process.js';
import { checkCommand, checkRecord } from '../../process/validate.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { delayBeforeRetry } from './retry.js';
import type { CommandFailed, CommandOutcome, CommandRef, CommandStep } from './run-all-event.js';
import type { CommandInput, CommandOptions, Plan } from './run-all-options.js';

const notRun = 'it was not run: no sandbox was given for it';

/** Who is told what becomes of a command. */
export interface CommandOwner {
  tell(step: CommandStep): void;
  /** Nothing more will happen to it. `thrown`: a function of the caller's has, which ends all. */
  over(run: CommandRun, outcome: CommandOutcome, thrown?: Thrown): void;
}

/** What a function of the caller's has thrown. */
export interface Thrown {
  readonly error: unknown;
}

/** One of many commands, from when it is taken from the source to its outcome. */
export class CommandRun {
  readonly index: number;
  readonly #plan: Plan;
  readonly #owner: CommandOwner;
  #command: readonly string[] = [];
  #options: CommandOptions;
  #attempt = 1;
  #ids: Pick<CommandRef, 'sandboxId' | 'runId'> = {};
  #firstId: string | undefined;
  /** Whether a run of this attempt can be found again by its id, wherever its connection is. */
  #isFindable = false;
  /** Of this attempt, from when it is known: its sandbox may still have to be deleted. */
  #result: ProcessResult | undefined;
  #current: Subscription | undefined;
  #isOver = false;

  constructor(index: number, plan: Plan, owner: CommandOwner) {
    this.index = index;
    this.#plan = plan;
    this.#owner = owner;
    this.#options = plan.common;
  }

  start(input: CommandInput): void {
    try {
      this.#read(input);
    } catch (error) {
      this.#end({ ...this.#ref, type: 'failed', error });
      return;
    }
    this.#follow(() => this.#inSandbox());
  }

  /** Kills what runs and tells nothing. */
  leave(): void {
    this.#isOver = true;
    this.#current?.unsubscribe();
  }

  /** Kills what runs and tells that. */
  cancel(cause: unknown): void {
    this.#current?.unsubscribe();
    const message = 'the command was killed, because all of them were ended';
    this.#end(this.#outcome(() => new CancelledError(message, { cause, ...this.#ids })));
  }

  get #ref(): CommandRef {
    const { index } = this;
    return { index, command: this.#command, attempt: this.#attempt, ...this.#ids };
  }

  #read(input: CommandInput): void {
    if (isArgv(input)) {
      checkCommand(input);
      this.#command = input;
      return;
    }
    checkRecord('command', input);
    const { command, options } = input;
    checkCommand(command);
    this.#command = command;
    if (options === undefined) return;
    checkRecord('options', options);
    this.#options = { ...this.#options, ...options };
  }

  #follow(open: () => Observable<ProcessResult>): void {
    this.#result = undefined;
    const linked$: Observable<ProcessResult> = new Observable((subscriber) => {
      // Known before anything is started, so that leaving stops what is synchronous too.
      this.#current = subscriber;
      open().subscribe(subscriber);
    });
    linked$.subscribe({
      next: (value) => {
        this.#result = value;
      },
      error: (error: unknown) => {
        this.#ended(this.#outcome(() => error));
      },
      complete: () => {
        this.#ended(this.#outcome(() => new CancelledError(notRun, this.#ids)));
      },
    });
  }

  /** A result that is known counts, whatever becomes of its sandbox after that. */
  #outcome(failure: () => unknown): CommandOutcome {
    const result = this.#result;
    return result === undefined
      ? { ...this.#ref, type: 'failed', error: failure() }
      : { ...this.#ref, type: 'finished', result };
  }

  #inSandbox(): Observable<ProcessResult> {
    this.#ids = {};
    this.#isFindable = false;
    return this.#plan.place.withSandbox((sandbox) => {
      this.#isFindable = this.#plan.retry !== undefined && sandbox.capabilities.attach;
      const id = this.#isFindable ? this.#nextId() : this.#options.id;
      return this.#run(sandbox, id);
    });
  }

  /** An ended run is found by its id too, so a further one needs another. */
  #nextId(): string {
    this.#firstId ??= this.#options.id ?? newId();
    return this.#attempt === 1 ? this.#firstId : `${this.#firstId}-${this.#attempt}`;
  }

  #run(sandbox: Sandbox, id: string | undefined): Observable<ProcessResult> {
    const run$: Observable<ProcessResult> = new Observable((subscriber) => {
      const options = id === undefined ? this.#options : { ...this.#options, id };
      const process = sandbox.exec(this.#command, options);
      this.#ids = { sandboxId: sandbox.id, runId: process.id };
      subscriber.add(() => process.cancel());
      this.#owner.tell({ ...this.#ref, type: 'started' });
      if (this.#plan.tellsOutput) this.#tellOutput(process);
      process.result$.subscribe(subscriber);
    });
    if (!this.#isFindable) return run$;
    return run$.pipe(catchError((error: unknown) => this.#foundAgain(error, sandbox, id)));
  }

  #tellOutput(process: Process): void {
    process.events$.subscribe({
      next: (event) => {
        if (event.type === 'exit' || this.#isOver) return;
        this.#owner.tell({ ...this.#ref, type: 'output', output: event });
      },
      error: ignore,
    });
  }

  /** A run whose outcome is not known may go on: starting its id again, in the same sandbox, is to go on observing it. */
  #foundAgain(error: unknown, sandbox: Sandbox, id: string | undefined): Observable<ProcessResult> {
    if (!(error instanceof ConnectionLostError)) return throwError(() => error);
    const delayMs = this.#delayAfter({ ...this.#ref, type: 'failed', error });
    if (delayMs === undefined) return throwError(() => error);
    return timer(delayMs, this.#plan.scheduler).pipe(mergeMap(() => this.#run(sandbox, id)));
  }

  #ended(outcome: CommandOutcome): void {
    if (this.#isOver) return;
    // Of one that may go on it has been decided already that it is not looked for again.
    const isOpen = this.#isFindable && isLost(outcome);
    const delayMs = isOpen ? undefined : this.#delayAfter(outcome);
    if (delayMs === undefined) this.#end(outcome);
    else
      this.#follow(() =>
        timer(delayMs, this.#plan.scheduler).pipe(mergeMap(() => this.#inSandbox())),
      );
  }

  /** How long to wait until it is tried again, which is told; `undefined` where it is not. */
  #delayAfter(outcome: CommandOutcome): number | undefined {
    const { retry } = this.#plan;
    if (retry === undefined) return undefined;
    let delayMs: number | undefined;
    try {
      delayMs = delayBeforeRetry(retry, outcome, this.#isFindable && isLost(outcome));
    } catch (error) {
      this.#end(outcome, { error });
    }
    if (delayMs === undefined || this.#isOver) return undefined;
    this.#owner.tell({ ...this.#ref, type: 'retrying', outcome, delayMs });
    this.#attempt++;
    return delayMs;
  }

  #end(outcome: CommandOutcome, thrown?: Thrown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.over(this, outcome, thrown);
  }
}

function isArgv(input: CommandInput): input is readonly string[] {
  return Array.isArray(input);
}

function isLost(outcome: CommandOutcome): outcome is CommandFailed {
  return outcome.type === 'failed' && outcome.error instanceof ConnectionLostError;
}

function ignore(): void {
  // The result tells it.
}
