import { Observable, type Subscriber } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import type { StreamEnd } from '../process/chunk-channel.js';
import { LiveMap } from '../process/live-map.js';
import type { RunLifecycle } from '../process/process-controls.js';
import type { ExitEvent, ProcessEvent } from '../process/process-event.js';
import type { ExecRequest } from './backend.js';
import { ObservedRun, type Observing } from './observed-run.js';
import { outcomeOf, type ToldRun } from './told-run.js';

/** How many ended runs with an id of the caller's are kept, so that a repeated start finds them. */
const keptEndedRuns = 100;

/** A run to start. */
export interface RegisteredRun {
  readonly id: string;
  /** Whether the id may be used again to attach after the run's end. */
  readonly keep: boolean;
  readonly lifecycle: RunLifecycle;
  /** Whether its starter wants it to pause. */
  readonly paused$: Observable<boolean>;
  /** Where it is told how the run stands. Default: nowhere. */
  readonly told?: ToldRun;
  /** The cold run, which tells `lifecycle` how it stands, and pauses for whoever observes it. */
  source(ties: Pick<ExecRequest, 'lifecycle' | 'paused$'>): Observable<ProcessEvent>;
}

/** What is kept of a run. */
interface RunEntry {
  readonly run: ObservedRun;
  readonly told: ToldRun | undefined;
}

/** The runs of one sandbox by their ids: starts each id once, and lets others observe it. */
export class RunRegistry {
  readonly #runs: LiveMap<string, RunEntry> = new LiveMap();
  readonly #endedIds: string[] = [];
  readonly #reasonToTell: (error: unknown) => unknown;

  /** `reasonToTell` gives the error of a run that failed, in place of its own. Default: that. */
  constructor(reasonToTell: (error: unknown) => unknown = (error) => error) {
    this.#reasonToTell = reasonToTell;
  }

  /** Starts a run whose id is not known yet, for the subscriber whose unsubscribing ends it. */
  start(run: RegisteredRun, owner: Subscriber<ProcessEvent>): void {
    const { lifecycle, paused$, told } = run;
    const started = this.#observed(owner, run);
    const tied: RunLifecycle = {
      started: () => {
        started.started();
        told?.started();
        lifecycle.started();
      },
      closed: () => {
        lifecycle.closed();
      },
    };
    this.#runs.set(run.id, { run: started, told });
    started.start(run.source({ lifecycle: tied, paused$: started.paused$ }), paused$);
    told?.begin();
  }

  attach(id: string, how?: Observing): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const known = this.#runs.get(id);
      if (known === undefined)
        subscriber.error(new SandboxNotFoundError(`there is no run ${id}`, { runId: id }));
      else known.run.observe(how).subscribe(subscriber);
    });
  }

  has(id: string): boolean {
    return this.#runs.has(id);
  }

  /** On its own, because what is kept of an ended run keeps all that is in scope here. */
  #observed(
    owner: Subscriber<ProcessEvent>,
    { id, keep, told }: Pick<RegisteredRun, 'id' | 'keep' | 'told'>,
  ): ObservedRun {
    const ended = (end: StreamEnd, exit: ExitEvent | undefined): void => {
      this.#ended(id, keep);
      told?.ended(outcomeOf(end, exit), keep);
    };
    return new ObservedRun(owner, ended, this.#reasonToTell);
  }

  #ended(id: string, keep: boolean): void {
    if (!keep) {
      this.#runs.delete(id);
      return;
    }
    this.#endedIds.push(id);
    const oldest = this.#endedIds.length > keptEndedRuns ? this.#endedIds.shift() : undefined;
    if (oldest === undefined) return;
    this.#runs.get(oldest)?.told?.forget();
    this.#runs.delete(oldest);
  }
}
