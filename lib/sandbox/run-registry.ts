import { Observable } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import type { OutputStream, ProcessEvent } from '../process/process-event.js';
import { ObservedRun } from './observed-run.js';

/** How many ended runs with an id of the caller's are kept, so that a repeated start finds them. */
const keptEndedRuns = 100;

/** A run to start, or to attach to where its id is known. */
export interface RegisteredRun {
  readonly id: string;
  /** Whether the id may be used again to attach after the run's end. */
  readonly keep: boolean;
  readonly source$: Observable<ProcessEvent>;
}

/** The runs of one sandbox by their ids: starts each id once, and lets others observe it. */
export class RunRegistry {
  readonly #runs: Map<string, ObservedRun> = new Map();
  readonly #endedIds: string[] = [];

  /**
   * Starts the run for the first subscriber of its id, whose unsubscribing ends it; later ones only observe.
   */
  start(run: RegisteredRun): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const known = this.#runs.get(run.id);
      if (known !== undefined) {
        known.observe().subscribe(subscriber);
        return;
      }
      const started = new ObservedRun(subscriber, () => {
        this.#ended(run);
      });
      this.#runs.set(run.id, started);
      started.start(run.source$);
    });
  }

  attach(id: string, from?: Partial<Record<OutputStream, number>>): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const known = this.#runs.get(id);
      if (known === undefined)
        subscriber.error(new SandboxNotFoundError(`there is no run ${id}`, { runId: id }));
      else known.observe(from).subscribe(subscriber);
    });
  }

  has(id: string): boolean {
    return this.#runs.has(id);
  }

  #ended({ id, keep }: RegisteredRun): void {
    if (!keep) {
      this.#runs.delete(id);
      return;
    }
    this.#endedIds.push(id);
    const oldest = this.#endedIds.length > keptEndedRuns ? this.#endedIds.shift() : undefined;
    if (oldest !== undefined) this.#runs.delete(oldest);
  }
}
