import { AsyncSubject, EMPTY, type Observable } from 'rxjs';
import { LiveMap } from '../../../process/live-map.js';
import type { AttachRequest, ExecRequest } from '../../../sandbox/backend.js';

/** Runs that this client has asked for, and that the server may not know yet: calls about one wait for it. */
export class Starting {
  readonly #runs: LiveMap<string, AsyncSubject<never>> = new LiveMap();

  /** The same run, which others wait for until it has been started, or never will be. */
  begun(request: ExecRequest): ExecRequest {
    const key = keyOf(request.sandboxId, request.id);
    const { lifecycle } = request;
    if (!this.#runs.has(key)) this.#runs.set(key, new AsyncSubject());
    const known = (): void => {
      this.#runs.get(key)?.complete();
      this.#runs.delete(key);
    };
    return {
      ...request,
      lifecycle: {
        started: () => {
          known();
          lifecycle.started();
        },
        closed: () => {
          known();
          lifecycle.closed();
        },
      },
    };
  }

  /** Completes when the server knows of the run, as far as that is this client's doing. */
  known$({ sandboxId, runId }: Pick<AttachRequest, 'sandboxId' | 'runId'>): Observable<never> {
    return this.#runs.get(keyOf(sandboxId, runId)) ?? EMPTY;
  }
}

function keyOf(sandboxId: string, runId: string): string {
  return `${sandboxId}/${runId}`;
}
