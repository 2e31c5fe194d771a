import { Observable } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import type { OutputStream, ProcessEvent } from '../process/process-event.js';
import { Process } from '../process/process.js';

/** What is kept of each stream of a run for those who attach to it. */
const retainBytes = 1_048_576;
/** How many ended runs with an id of the caller's are kept, so that a repeated start finds them. */
const keptEndedRuns = 100;

/** A run to start, or to attach to where its id is known. */
export interface RegisteredRun {
  readonly id: string;
  readonly command: readonly string[];
  /** Whether the id may be used again to attach after the run's end. */
  readonly keep: boolean;
  readonly source$: Observable<ProcessEvent>;
}

/** The runs of one sandbox by their ids: starts each id once, and lets others observe it. */
export class RunRegistry {
  readonly #runs: Map<string, Process> = new Map();
  readonly #endedIds: string[] = [];

  /**
   * Starts the run for the first subscriber of its id, whose unsubscribing ends it; later ones only observe.
   */
  start(run: RegisteredRun): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const known = this.#runs.get(run.id);
      if (known !== undefined) {
        known.events$.subscribe(subscriber);
        return undefined;
      }
      const statsCallback = (): void => {
        this.#ended(run);
      };
      const process = new Process(run.source$, run.command, {
        id: run.id,
        retainBytes,
        statsCallback,
      });
      const over = process.state !== 'starting' && process.state !== 'running';
      if (run.keep || !over) this.#runs.set(run.id, process);
      process.events$.subscribe(subscriber);
      return () => process.cancel();
    });
  }

  attach(id: string, from?: Partial<Record<OutputStream, number>>): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const known = this.#runs.get(id);
      if (known === undefined)
        subscriber.error(new SandboxNotFoundError(`there is no run ${id}`, { runId: id }));
      else known.eventsFrom(from).subscribe(subscriber);
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
