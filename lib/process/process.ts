import { isObservable, map, Observable } from 'rxjs';
import type { Chunk } from './chunk-decoder.js';
import { SandboxExecutionError, UnsupportedError } from './errors/errors.js';
import { newId } from './new-id.js';
import { OperationRef, waitFor, type WaitOptions } from './operation-ref.js';
import type { WindowSize } from './process-controls.js';
import type { OutputStream, ProcessEvent } from './process-event.js';
import {
  checkProcessOptions,
  noOptions,
  resolveOptions,
  type ProcessOptions,
} from './process-options.js';
import type { ProcessResult } from './process-result.js';
import { Run, type ProcessState } from './run.js';
import type { StreamReader } from './stream-reader.js';
import type { StreamWriter } from './stream-writer.js';
import { checkCommand, requireInteger, checkRecord, checkSignalName, refuse } from './validate.js';

/**
 * A handle on one run of a command: subscribes to its events at once and multicasts them.
 *
 * It knows nothing of where the command runs: any cold Observable of {@link ProcessEvent} will do, so a test can
 * drive it with marbles. `cancel()` unsubscribes from it, which is what kills the run. It is awaitable and can be
 * given wherever RxJS takes an Observable: both give the {@link ProcessResult}.
 *
 * ```text
 * events    --o--e--o---(x|)     o = stdout, e = stderr, x = exit
 * stdout$   --o-----o---|
 * stderr$   -----e------|
 * result$   ------------(r|)     r = { returncode, stdout: o + o, stderr: e, ... }
 * ```
 *
 * `T` is the type of a chunk: `string`, or `Uint8Array` with `encoding: 'buffer'`.
 *
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { Process, type ProcessEvent } from 'sandbox-rx';
 *
 * const events$ = of<ProcessEvent[]>(
 *   { type: 'stdout', data: new TextEncoder().encode('hi\n'), offset: 0 },
 *   { type: 'exit', returncode: 0 },
 * );
 * const process = new Process(events$, ['echo', 'hi']);
 * console.log(process.poll(), (await process).stdout); // 0 'hi\n'
 * ```
 *
 * @throws {@link SandboxValidationError} at construction, for a bad command or option.
 */
export class Process<T extends Chunk = string> extends OperationRef<ProcessResult> {
  /** The argv that was given. */
  readonly command: readonly string[];
  readonly #run: Run<T>;
  readonly #controls: ProcessOptions['controls'];
  #id: string | undefined;
  #events$: Observable<ProcessEvent> | undefined;
  #state$: Observable<ProcessState> | undefined;
  #stdout$: Observable<T> | undefined;
  #stderr$: Observable<T> | undefined;

  constructor(
    source: Observable<ProcessEvent>,
    command: readonly string[],
    options: ProcessOptions = noOptions,
  ) {
    if (!isObservable(source)) refuse('source', 'an Observable of process events', source);
    checkCommand(command);
    checkProcessOptions(options);
    const run: Run<T> = new Run(command, resolveOptions(options));
    super(run.settlement, ignore);
    this.command = command;
    this.#run = run;
    this.#controls = options.controls;
    this.#id = options.id;
    run.start(source);
  }

  /** The run's id, with which it can be attached to. */
  get id(): string {
    return (this.#id ??= newId());
  }

  /** The exit status; `null` until it is known, and for ever where it never is: after a failure or `cancel()`. */
  get returncode(): number | null {
    return this.#run.end?.exit?.returncode ?? null;
  }

  /** Where the run stands. */
  get state(): ProcessState {
    return this.#run.state;
  }

  /** Emits where the run stands now, each change, and completes with the last one. */
  get state$(): Observable<ProcessState> {
    return (this.#state$ ??= new Observable((subscriber) => {
      this.#run.subscribeStates(subscriber);
    }));
  }

  /**
   * The tagged events. Late subscribers first get what is retained, then live ones. Errors where the run fails, and
   * with a `CancelledError` after `cancel()`. Unsubscribing does not touch the run.
   */
  get events$(): Observable<ProcessEvent> {
    return (this.#events$ ??= new Observable((subscriber) => {
      this.#run.subscribeEvents(subscriber);
    }));
  }

  /**
   * Standard output as text. Late subscribers first get what is retained. A character that was split between two
   * chunks comes out whole. Completes with the run and after `cancel()`; errors where the run fails.
   */
  get stdout$(): Observable<T> {
    return (this.#stdout$ ??= this.#chunks$('stdout'));
  }

  /** Standard error as text; see {@link Process.stdout$}. */
  get stderr$(): Observable<T> {
    return (this.#stderr$ ??= this.#chunks$('stderr'));
  }

  /** Standard output to be read at the reader's own pace, which then is the process's. */
  get stdout(): StreamReader<T> {
    return this.#run.reader('stdout');
  }

  /** Standard error to be read at the reader's own pace, which then is the process's. */
  get stderr(): StreamReader<T> {
    return this.#run.reader('stderr');
  }

  /** Standard input, with the option `stdin: true`; otherwise `null`. */
  get stdin(): StreamWriter | null {
    return this.#controls?.stdin ?? null;
  }

  /** Settles when nothing of the run is left, wherever it ran: also after `cancel()`. Never rejects. */
  get closed(): Promise<void> {
    return waitFor(this.#run.finalized.value$);
  }

  /** The exit status, or `null` while the run goes on. Does not wait. */
  poll(): number | null {
    return this.returncode;
  }

  /**
   * Waits for the exit status.
   *
   * @param timeout - Milliseconds, or {@link WaitOptions}. Default: no limit.
   * @throws {@link TimeoutError} (rejection) when the time is up; the process runs on, and `wait` may be called again.
   * @throws {@link CancelledError} (rejection) after `cancel()`.
   * @throws the run's own error (rejection) otherwise, the same one at each call.
   */
  wait(timeout?: number | WaitOptions): Promise<number> {
    return waitFor(this.result$.pipe(map(({ returncode }) => returncode)), timeout);
  }

  /**
   * Ends the run by unsubscribing from it: its whole process tree is killed. `true` when this call ended a live run,
   * `false` when it was already over. {@link Process.closed} tells when nothing is left of it.
   */
  override cancel(): boolean {
    return this.#run.cancel();
  }

  /**
   * Sends a signal to the process and goes on observing.
   *
   * @param signal - The name of a signal. Default `'SIGTERM'`.
   * @throws {@link UnsupportedError} at once, where the run cannot be sent signals.
   * @throws {@link SandboxExecutionError} at once, with reason `process_over`.
   */
  kill(signal = 'SIGTERM'): OperationRef<void> {
    checkSignalName('signal', signal);
    const kill = this.#controls?.kill?.bind(this.#controls);
    if (kill === undefined)
      throw new UnsupportedError('signals', 'this run cannot be sent signals; cancel() ends it');
    this.#checkLive('send a signal to');
    return kill(signal);
  }

  /**
   * Changes the size of the process's terminal; it gets a `SIGWINCH`.
   *
   * @throws {@link UnsupportedError} at once, where the run has no terminal.
   */
  resize(size: WindowSize): void {
    checkWindowSize('size', size);
    const resize = this.#controls?.resize?.bind(this.#controls);
    if (resize === undefined)
      throw new UnsupportedError('tty', 'this run has no terminal; start it with tty: true');
    this.#checkLive('resize the terminal of');
    resize(size);
  }

  #chunks$(stream: OutputStream): Observable<T> {
    return new Observable((subscriber) => {
      this.#run.subscribeChunks(stream, subscriber);
    });
  }

  #checkLive(doing: string): void {
    if (this.#run.end === undefined) return;
    throw new SandboxExecutionError(
      'process_over',
      `the process is over; there is nothing to ${doing}`,
    );
  }
}

/** Refuses what is no {@link WindowSize}. */
export function checkWindowSize(name: string, size: WindowSize): void {
  checkRecord(name, size);
  requireInteger(`${name}.rows`, size.rows, { min: 1, max: 65_535 });
  requireInteger(`${name}.cols`, size.cols, { min: 1, max: 65_535 });
}

function ignore(): void {
  // cancel() is overridden: the run decides.
}
