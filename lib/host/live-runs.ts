import { AsyncSubject, type Observable, type Subscription } from 'rxjs';
import { LiveMap } from '../process/live-map.js';
import { SandboxNotFoundError, SandboxValidationError } from '../process/errors/errors.js';

/** A run that somebody observes, and its end. */
interface LiveRun {
  readonly run: Subscription;
  readonly gone: AsyncSubject<void>;
}

/** The runs of StreamExec and StartProcess that are going on. */
export class LiveRuns {
  readonly #runs: LiveMap<string, LiveRun> = new LiveMap();

  get count(): number {
    return this.#runs.size;
  }

  has(sandboxId: string, runId: string): boolean {
    return this.#runs.has(keyOf(sandboxId, runId));
  }

  /** @throws SandboxValidationError where a run with this id is going on. */
  add(sandboxId: string, runId: string, run: Subscription): void {
    const key = keyOf(sandboxId, runId);
    if (this.#runs.has(key)) {
      throw new SandboxValidationError(`there is a run ${runId} already`, { sandboxId, runId });
    }
    this.#runs.set(key, { run, gone: new AsyncSubject() });
  }

  /** Nothing of the run is left. */
  closed(sandboxId: string, runId: string): void {
    const key = keyOf(sandboxId, runId);
    const gone = this.#runs.get(key)?.gone;
    this.#runs.delete(key);
    gone?.complete();
  }

  /** Ends a run. Completes when nothing of it is left. @throws SandboxNotFoundError */
  end(sandboxId: string, runId: string): Observable<void> {
    const live = this.#runs.get(keyOf(sandboxId, runId));
    if (live === undefined) {
      throw new SandboxNotFoundError(`there is no live run ${runId}`, { sandboxId, runId });
    }
    live.run.unsubscribe();
    return live.gone;
  }
}

function keyOf(sandboxId: string, runId: string): string {
  return `${sandboxId}/${runId}`;
}
