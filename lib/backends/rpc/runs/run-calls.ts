import {
  catchError,
  ignoreElements,
  map,
  takeUntil,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import type { ExecRequest, SignalRequest } from '../../../sandbox/backend.js';
import { execOpeningOf } from '../../../wire/exec-frames.js';
import {
  OnDisconnect,
  type StartProcessResponse,
} from '../../../wire/generated/sandboxrx/v1/runs.js';
import { askedOnce } from '../asked-once.js';
import { lostBy } from '../call-outcome.js';
import { endProcess, signalProcess, startProcess } from '../methods.js';
import { withRetryBudget } from '../polling.js';
import type { RpcTransport } from '../rpc-transport.js';
import { isBreak } from './attached-run.js';

/** How long calls about runs may take. */
export interface RunCallsConfig {
  readonly requestTimeoutMs: number;
  readonly retryBudgetMs: number;
}

/** What the host may need beyond the run's own grace until nothing of it is left. */
const endMarginMs = 10_000;

/** How long the end of a run may take. */
export function endTimeoutMs({ killGraceMs }: Pick<ExecRequest, 'killGraceMs'>): number {
  return killGraceMs + endMarginMs;
}

/** The calls that start, end and signal runs. */
export class RunCalls {
  readonly transport: RpcTransport;
  readonly retryBudgetMs: number;
  readonly #requestTimeoutMs: number;

  constructor(transport: RpcTransport, { requestTimeoutMs, retryBudgetMs }: RunCallsConfig) {
    this.transport = transport;
    this.retryBudgetMs = retryBudgetMs;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  /** Asked again where the answer is lost: by the same request id, so that it is started once. */
  start(request: ExecRequest, requestId: string): Observable<StartProcessResponse> {
    const { sandboxId, id: runId, stdin$, onDisconnect } = request;
    const { ON_DISCONNECT_DETACH, ON_DISCONNECT_KILL } = OnDisconnect;
    const asked = {
      requestId,
      stdin: stdin$ !== undefined,
      ...execOpeningOf(request),
      onDisconnect: onDisconnect === 'detach' ? ON_DISCONNECT_DETACH : ON_DISCONNECT_KILL,
    };
    const options = { subject: { sandboxId, runId }, timeoutMs: this.#requestTimeoutMs };
    const call = { method: startProcess, request: asked, what: 'the run', options };
    return askedOnce(this.transport, call, this.retryBudgetMs).pipe(
      map(({ message }) => message),
      catchError((error: unknown) =>
        throwError(() => (isTooLate(error) ? lostBy(error, 'the run', options.subject) : error)),
      ),
    );
  }

  /** Completes when nothing of it is left, or when that takes too long. */
  end(run: Pick<ExecRequest, 'sandboxId' | 'id' | 'killGraceMs'>): Observable<never> {
    const { sandboxId, id: runId } = run;
    const timeoutMs = endTimeoutMs(run);
    const ended$ = this.transport.call(endProcess, { sandboxId, runId }, { timeoutMs });
    return withRetryBudget(ended$, this.retryBudgetMs, isBreak).pipe(
      ignoreElements(),
      takeUntil(timer(timeoutMs)),
    );
  }

  signal({ sandboxId, runId, signal }: SignalRequest): Observable<never> {
    const options = { subject: { sandboxId, runId }, timeoutMs: this.#requestTimeoutMs };
    return this.transport
      .call(signalProcess, { sandboxId, runId, signal }, options)
      .pipe(ignoreElements());
  }
}

/** It was sent, and not answered in time: it may have been started. */
function isTooLate(error: unknown): error is SandboxError {
  return error instanceof SandboxError && error.code === 'ERR_REQUEST_TIMEOUT';
}
