import { concat, Observable, Subscription, timer, type Subscriber } from 'rxjs';
import { ConnectionLostError } from '../../../process/errors/errors.js';
import { newId } from '../../../process/new-id.js';
import type { ProcessEvent } from '../../../process/process-event.js';
import type { ExecRequest } from '../../../sandbox/backend.js';
import { leaveStdin } from '../../../sandbox/leave-stdin.js';
import type { StartProcessResponse } from '../../../wire/generated/sandboxrx/v1/runs.js';
import { attachedRun } from './attached-run.js';
import { lacking } from './lacking.js';
import { endTimeoutMs, type RunCalls } from './run-calls.js';
import { stdinUpload } from './stdin-upload.js';

/**
 * A run under an id that is kept: started once however often it is asked for, observed over any number of connections.
 * Cold; unsubscribing ends it, where it was this subscription that started it. It is asked for when `before$` completes.
 */
export function startedRun(
  calls: RunCalls,
  request: ExecRequest,
  before$: Observable<never>,
): Observable<ProcessEvent> {
  return new Observable((subscriber) => {
    const run = new StartedRun(calls, request, subscriber);
    run.start(before$);
    return () => {
      run.leave();
    };
  });
}

class StartedRun {
  readonly #calls: RunCalls;
  readonly #request: ExecRequest;
  readonly #subscriber: Subscriber<ProcessEvent>;
  /** Also the name by which it is observed and written to. */
  readonly #requestId: string = newId();
  readonly #ties = new Subscription();
  #answer: StartProcessResponse | undefined;
  /** It has ended, or what becomes of it is no longer known here. */
  #isOver = false;
  #isLeft = false;
  #isClosed = false;
  /** Waits for the server's answer, once the subscriber has gone. */
  #closing: Subscription | undefined;

  constructor(calls: RunCalls, request: ExecRequest, subscriber: Subscriber<ProcessEvent>) {
    this.#calls = calls;
    this.#request = request;
    this.#subscriber = subscriber;
  }

  start(before$: Observable<never>): void {
    concat(before$, this.#calls.start(this.#request, this.#requestId)).subscribe({
      next: (answer) => {
        this.#answer = answer;
        if (this.#isLeft) this.#end(answer);
        else this.#observe(answer);
      },
      error: (error: unknown) => {
        this.#isOver = true;
        if (this.#isLeft) this.#close();
        else this.#subscriber.error(lacking('attach', error));
      },
    });
  }

  /** The subscriber has gone, or has been told the end. */
  leave(): void {
    this.#isLeft = true;
    this.#ties.unsubscribe();
    if (this.#isOver) this.#close();
    else if (this.#answer !== undefined) this.#end(this.#answer);
    // Else the server may be starting it right now: it is ended when it has answered.
    else this.#closeLater();
  }

  #observe({ started: isOwn, epoch }: StartProcessResponse): void {
    const { sandboxId, id: runId, paused$, size$, tty, stdin$, lifecycle } = this.#request;
    const started = (): void => {
      lifecycle.started();
      if (isOwn) this.#write(epoch);
    };
    const own = { observerId: this.#requestId, startedIn: epoch, ...(tty && { size$ }) };
    const attachment = { sandboxId, runId, paused$, lifecycle: { started }, ...(isOwn && own) };
    const { transport, retryBudgetMs } = this.#calls;
    const run$ = attachedRun(transport, attachment, retryBudgetMs);
    if (!isOwn) leaveStdin(stdin$);
    this.#ties.add(
      run$.subscribe({
        next: (event) => {
          if (event.type === 'exit') this.#isOver = true;
          this.#subscriber.next(event);
        },
        error: (error: unknown) => {
          this.#isOver = true;
          this.#subscriber.error(error);
        },
        complete: () => {
          this.#subscriber.complete();
        },
      }),
    );
  }

  /** The process runs: only now is its input asked for. */
  #write(epoch: string): void {
    const { sandboxId, id: runId, stdin$ } = this.#request;
    if (stdin$ === undefined || this.#isLeft) return;
    const { transport, retryBudgetMs } = this.#calls;
    const target = { sandboxId, runId, writerId: this.#requestId, epoch };
    this.#ties.add(
      stdinUpload(transport, { target, stdin$ }, retryBudgetMs).subscribe({
        error: (error: unknown) => {
          // What is lost is left to the host, as the run wants it.
          this.#isOver = error instanceof ConnectionLostError;
          this.#subscriber.error(error);
        },
      }),
    );
  }

  /** Who has only found the run leaves it to its starter. */
  #end({ started: isOwn }: StartProcessResponse): void {
    const close = (): void => {
      this.#close();
    };
    if (isOwn) this.#calls.end(this.#request).subscribe({ complete: close, error: close });
    else close();
  }

  #closeLater(): void {
    this.#closing = timer(endTimeoutMs(this.#request)).subscribe({
      next: () => {
        this.#close();
      },
      error: ignore,
    });
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing?.unsubscribe();
    this.#request.lifecycle.closed();
  }
}

function ignore(): void {
  // A timer does not fail.
}
