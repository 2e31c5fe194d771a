import { NEVER, type Observable } from 'rxjs';
import type { ProcessEvent } from '../../process/process-event.js';
import { LiveMap } from '../../process/live-map.js';
import { Recently } from '../../process/recently.js';
import type { SandboxBackend } from '../../sandbox/backend.js';
import type { Observing } from '../../sandbox/observed-run.js';
import { RunRegistry } from '../../sandbox/run-registry.js';
import type { HostSandbox } from '../host-sandbox.js';
import { exhausted } from '../limits.js';
import type { LiveRuns } from '../live-runs.js';
import type { HeldCount } from './held-count.js';
import { HeldRun, type WantedRun } from './held-run.js';
import { Place, type Offsets } from './place.js';

/** So many observers of the runs of one sandbox, those whose place is only kept too; and as many starters, apart. */
const maxPlaces = 10_000;

/** What the runs of all sandboxes have in common. */
export interface SandboxRunsConfig {
  readonly backend: SandboxBackend;
  readonly runs: LiveRuns;
  readonly held: HeldCount;
  readonly maxStdinBytes: number;
  /** How long a place is kept for an observer whose call broke, in milliseconds. Default 60000. */
  readonly reconnectGraceMs: number | undefined;
}

/** An observer of a run. */
export interface Observer {
  readonly runId: string;
  readonly observerId: string;
  readonly from: Offsets;
  /** Whether the run waits where this observer is behind, and goes on because it is there. */
  readonly holdsUp: boolean;
}

/** The runs of one sandbox that were started by StartProcess, and all who observe its runs by AttachProcess. */
export class SandboxRuns {
  readonly #config: SandboxRunsConfig;
  readonly #sandbox: HostSandbox;
  readonly #registry = new RunRegistry();
  readonly #held: LiveMap<string, HeldRun> = new LiveMap();
  /** What was started once is not started again, however short it was. */
  readonly #requests = new Recently();
  readonly #places: LiveMap<string, Place> = new LiveMap();
  readonly #count: Record<'starters' | 'observers', number> = { starters: 0, observers: 0 };
  #isGone = false;

  constructor(sandbox: HostSandbox, config: SandboxRunsConfig) {
    this.#sandbox = sandbox;
    this.#config = config;
    const gone = (): void => {
      this.#isGone = true;
      for (const place of this.#places.values()) place.leaveUnlessViewed();
    };
    sandbox.gone.subscribe({ complete: gone, error: gone });
  }

  /** A run of this host's own that goes on. */
  held(runId: string): HeldRun | undefined {
    return this.#held.get(runId);
  }

  /** Starts a run, or finds the one with its id. Tells whether it was started by this request. */
  start(wanted: WantedRun): boolean {
    const { request, requestId } = wanted;
    const { id } = request;
    const key = keyOf(id, requestId);
    if (this.#requests.has(key)) return true;
    if (this.#registry.has(id) || this.#config.runs.has(this.#id, id)) return false;
    this.#assertRoom('starters');
    this.#requests.add(key);
    this.#start(wanted);
    // Before anything can happen to the run, so that its starter misses nothing.
    this.#place({ runId: id, observerId: requestId, from: {}, holdsUp: true }, 'starters');
    return true;
  }

  /** The place of an observer: the one that it had, or a new one. */
  place(observer: Observer): Place {
    return this.#place(observer, 'observers');
  }

  #place({ runId, observerId, from, holdsUp }: Observer, kind: 'starters' | 'observers'): Place {
    const key = keyOf(runId, observerId);
    const before = this.#places.get(key);
    if (before !== undefined) return before;
    this.#assertRoom(kind);
    const { reconnectGraceMs = 60_000 } = this.#config;
    // For who may change nothing a run does not go on either.
    const held = holdsUp ? this.#held.get(runId) : undefined;
    const place = new Place({
      from,
      holdsUp,
      observe: (how) => this.#observe(runId, how),
      graceMs: () => (this.#isGone ? 0 : reconnectGraceMs),
      left: () => {
        this.#places.delete(key);
        this.#count[kind]--;
        held?.left();
      },
    });
    this.#count[kind]++;
    held?.joined();
    this.#places.set(key, place);
    return place;
  }

  #assertRoom(kind: 'starters' | 'observers'): void {
    if (this.#count[kind] < maxPlaces) return;
    throw exhausted(`this sandbox has ${maxPlaces} ${kind} of runs, and takes no more`);
  }

  get #id(): string {
    return this.#sandbox.record.id;
  }

  #start(wanted: WantedRun): void {
    const { backend, runs, held: count, maxStdinBytes } = this.#config;
    const { caller, request } = wanted;
    const { id } = request;
    const held = new HeldRun(wanted, maxStdinBytes);
    this.#held.set(id, held);
    runs.add(this.#id, id, held.run);
    count.add(caller);
    const closed = (): void => {
      this.#held.delete(id);
      runs.closed(this.#id, id);
      count.remove(caller);
    };
    held.start(request, { backend, registry: this.#registry, closed });
  }

  #observe(
    runId: string,
    { from, lifecycle, paused$ = NEVER }: Observing,
  ): Observable<ProcessEvent> {
    if (this.#registry.has(runId))
      return this.#registry.attach(runId, { from, lifecycle, paused$ });
    const { backendId: sandboxId = '' } = this.#sandbox;
    return this.#config.backend.attach({
      sandboxId,
      runId,
      paused$,
      ...(from !== undefined && { from }),
      ...(lifecycle !== undefined && { lifecycle }),
    });
  }
}

/** No id holds a NUL. */
function keyOf(runId: string, callerId: string): string {
  return `${runId}\0${callerId}`;
}
