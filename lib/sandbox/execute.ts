import {
  defer,
  NEVER,
  Observable,
  Subject,
  throwError,
  timer,
  mergeMap,
  type MonoTypeOperatorFunction,
} from 'rxjs';
import { checkRun } from '../operators/result.js';
import { CancelledError, SandboxTimeoutError } from '../process/errors/errors.js';
import { newId } from '../process/new-id.js';
import type { RunLifecycle } from '../process/process-controls.js';
import type { ProcessEvent } from '../process/process-event.js';
import { stdinFrom, type StdinWrite } from '../process/stdin.js';
import { whenAborted } from '../process/when-aborted.js';
import type { ExecRequest, SandboxBackend } from './backend.js';
import type { RunOptions } from './exec-options.js';
import { failInto } from './fail-into.js';
import type { RunControls } from './run-controls.js';

/** A command for a sandbox, with checked options. */
export interface Execution {
  readonly backend: SandboxBackend;
  readonly sandboxId: string;
  readonly command: readonly string[];
  readonly options: RunOptions;
  /** The run's id, where the handle has made one. */
  readonly id?: string;
  /** Standard input as a backend takes it, in place of that of the options. */
  readonly stdin$?: Observable<StdinWrite>;
  /** Those of the handle, where there is one. */
  readonly controls?: RunControls;
}

const defaultSize = { rows: 24, cols: 80 };
const noLifecycle: RunLifecycle = { started: ignore, closed: ignore };

/** The cold run: each subscription starts the command, with its time limit, its abort signal and its input. */
export function execute(execution: Execution): Observable<ProcessEvent> {
  const { backend, command, options } = execution;
  return defer(() => {
    const limits: Observable<never>[] = [];
    const stdinFailure: Subject<never> = new Subject();
    if (options.stdin !== undefined) limits.push(stdinFailure);
    const request = requestOf(execution, stdinFailure);
    const { id: runId, sandboxId } = request;
    if (options.signal !== undefined) limits.push(aborted(options.signal, { runId, sandboxId }));
    if (options.timeoutMs !== undefined) limits.push(timedOut(options, { runId, sandboxId }));
    const run$ = backend.exec(request);
    const limited$ = limits.length === 0 ? run$ : run$.pipe(failOn(request.lifecycle, limits));
    if (!options.check || execution.controls) return limited$;
    return limited$.pipe(checkRun(command, { id: runId, controls: { sandboxId } }));
  });
}

function requestOf(execution: Execution, failure: Subject<never>): ExecRequest {
  const { sandboxId, command, options, controls } = execution;
  const { id = options.id ?? newId() } = execution;
  const { cwd, tty } = options;
  const stdin$ = inputOf(execution, failure);
  return {
    sandboxId,
    id,
    keep: isKept(options),
    command,
    ...defaults,
    ...given(options),
    ...steeringOf(controls),
    ...(cwd !== undefined && { cwd }),
    ...(stdin$ !== undefined && { stdin$ }),
    ...(tty && { tty: tty === true ? defaultSize : tty }),
  };
}

function inputOf(
  { stdin$, controls, options }: Execution,
  failure: Subject<never>,
): Observable<StdinWrite> | undefined {
  return stdin$ ?? controls?.stdin?.stdin$ ?? stdinOf(options, failure);
}

/** Whether the run can be found again: one that may be left behind has to be. */
function isKept({ id, onDisconnect }: RunOptions): boolean {
  return id !== undefined || onDisconnect === 'detach';
}

/** What a run is given where its options say nothing. */
const defaults = {
  env: {},
  stderr: 'pipe',
  killSignal: 'SIGTERM',
  killGraceMs: 2000,
  drainGraceMs: 200,
} as const;

function given({
  onDisconnect,
  env,
  stderr,
  killSignal,
  killGraceMs,
  drainGraceMs,
}: RunOptions): Partial<ExecRequest> {
  return {
    ...(onDisconnect !== undefined && { onDisconnect }),
    ...(env !== undefined && { env }),
    ...(stderr !== undefined && { stderr }),
    ...(killSignal !== undefined && { killSignal }),
    ...(killGraceMs !== undefined && { killGraceMs }),
    ...(drainGraceMs !== undefined && { drainGraceMs }),
  };
}

/** What a handle can do with its run; without one, nothing is ever asked for. */
function steeringOf(
  controls: RunControls | undefined,
): Pick<ExecRequest, 'paused$' | 'size$' | 'lifecycle'> {
  return controls === undefined
    ? { paused$: NEVER, size$: NEVER, lifecycle: noLifecycle }
    : { paused$: controls.paused$, size$: controls.size$, lifecycle: controls };
}

/** Input whose error is told to the run, not to the backend. */
function stdinOf(
  { stdin }: RunOptions,
  failure: Subject<never>,
): Observable<StdinWrite> | undefined {
  if (stdin === undefined) return undefined;
  const stdin$ = defer(() => stdinFrom(stdin)).pipe(failInto(failure));
  return new Observable((subscriber) => {
    if (!subscriber.closed) stdin$.subscribe(subscriber);
  });
}

type RunIds = Readonly<Record<'runId' | 'sandboxId', string>>;

function aborted(signal: AbortSignal, ids: RunIds): Observable<never> {
  return new Observable((subscriber) => {
    const abort = (): void => {
      subscriber.error(new CancelledError('the run was aborted', { cause: signal.reason, ...ids }));
    };
    if (signal.aborted) {
      abort();
      return undefined;
    }
    return whenAborted(signal, abort);
  });
}

function timedOut({ timeoutMs = 0, scheduler }: RunOptions, ids: RunIds): Observable<never> {
  return timer(timeoutMs, scheduler).pipe(
    mergeMap(() => throwError(() => new SandboxTimeoutError(timeoutMs, ids))),
  );
}

/** Errors as soon as one of `failures` does; unlike `merge`, it costs nothing per value and ends with the source. */
function failOn<T>(
  lifecycle: RunLifecycle,
  failures$: readonly Observable<never>[],
): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable((subscriber) => {
      for (const failure$ of failures$) {
        subscriber.add(
          failure$.subscribe({
            error: (error: unknown) => {
              subscriber.error(error);
            },
          }),
        );
      }
      if (!subscriber.closed) source.subscribe(subscriber);
      // Of what is never started, the backend has nothing to tell.
      else lifecycle.closed();
    });
}

function ignore(): void {
  // A run without a handle has nobody to tell.
}
