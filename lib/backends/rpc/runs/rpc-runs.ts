import { catchError, concat, defer, throwError, type Observable } from 'rxjs';
import type { ProcessEvent } from '../../../process/process-event.js';
import type { AttachRequest, ExecRequest, SignalRequest } from '../../../sandbox/backend.js';
import { execCall } from '../exec-call.js';
import type { RpcTransport } from '../rpc-transport.js';
import { attachedRun } from './attached-run.js';
import { lacking } from './lacking.js';
import { RunCalls, type RunCallsConfig } from './run-calls.js';
import { startedRun } from './started-run.js';
import { Starting } from './starting.js';

/** The runs of an rpc backend. One that nobody has to find again is one stream, which is fastest. */
export class RpcRuns {
  readonly #transport: RpcTransport;
  readonly #calls: RunCalls;
  readonly #starting = new Starting();

  constructor(transport: RpcTransport, config: RunCallsConfig) {
    this.#transport = transport;
    this.#calls = new RunCalls(transport, config);
  }

  exec(request: ExecRequest): Observable<ProcessEvent> {
    return defer(() => {
      const { sandboxId, id: runId, keep } = request;
      // Of two with the same id, the first is the one that is started.
      const before$ = this.#starting.known$({ sandboxId, runId });
      const begun = this.#starting.begun(request);
      return keep ? startedRun(this.#calls, begun, before$) : execCall(this.#transport, begun);
    });
  }

  attach(request: AttachRequest): Observable<ProcessEvent> {
    return concat(
      defer(() => this.#starting.known$(request)),
      attachedRun(this.#transport, request, this.#calls.retryBudgetMs),
    );
  }

  signal(request: SignalRequest): Observable<never> {
    return concat(
      defer(() => this.#starting.known$(request)),
      this.#calls.signal(request),
    ).pipe(catchError((error: unknown) => throwError(() => lacking('signals', error))));
  }
}
