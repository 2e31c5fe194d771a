import { Observable, tap } from 'rxjs';
import { SandboxExecutionError } from '../../process/errors/errors.js';
import type { ProcessEvent } from '../../process/process-event.js';
import type { ExecRequest, SandboxBackend } from '../../sandbox/backend.js';

/** How a run ended: with status 0, with another, not at all, by its caller, or in a way that is not known. */
export type RunOutcome = 'succeeded' | 'failed' | 'not_started' | 'cancelled' | 'error';

/** What is counted of the runs of a host. Plain numbers, so that a chunk costs an addition. */
export class RunMeter {
  live = 0;
  /** Runs whose reader is behind, so that they wait. */
  paused = 0;
  readonly ended: Record<RunOutcome, number> = {
    ...{ succeeded: 0, failed: 0, not_started: 0, cancelled: 0, error: 0 },
  };
  /** Bytes of each stream. */
  stdin = 0;
  stdout = 0;
  stderr = 0;
}

/** The same backend, whose runs are counted: those of calls and main commands alike. */
export function metered(backend: SandboxBackend, meter: RunMeter): SandboxBackend {
  const { name, capabilities, processes, files, snapshots } = backend;
  return {
    ...{ name, capabilities, processes, files, snapshots },
    create: (spec) => backend.create(spec),
    get: (sandboxId) => backend.get(sandboxId),
    list: (filter) => backend.list(filter),
    watch: (filter, listed) => backend.watch(filter, listed),
    stop: (sandboxId) => backend.stop(sandboxId),
    delete: (sandboxId) => backend.delete(sandboxId),
    exec: (request) => meteredRun(backend, meter, request),
    attach: (request) => backend.attach(request),
    signal: (request) => backend.signal(request),
    logs: (request) => backend.logs(request),
  };
}

function meteredRun(
  backend: SandboxBackend,
  meter: RunMeter,
  request: ExecRequest,
): Observable<ProcessEvent> {
  return new Observable((subscriber) => {
    const run = new MeteredRun(meter);
    subscriber.add(() => {
      run.end('cancelled');
    });
    const { stdin$, paused$ } = request;
    const counted: ExecRequest = {
      ...request,
      paused$: paused$.pipe(
        tap((paused) => {
          run.pause(paused);
        }),
      ),
      ...(stdin$ && { stdin$: stdin$.pipe(tap(({ data }) => (meter.stdin += data.length))) }),
    };
    subscriber.add(
      backend.exec(counted).subscribe({
        next: (event) => {
          if (event.type === 'exit') run.end(event.returncode === 0 ? 'succeeded' : 'failed');
          else meter[event.type] += event.data.length;
          subscriber.next(event);
        },
        error: (error: unknown) => {
          run.end(isNotStarted(error) ? 'not_started' : 'error');
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      }),
    );
  });
}

class MeteredRun {
  readonly #meter: RunMeter;
  #isPaused = false;
  #isOver = false;

  constructor(meter: RunMeter) {
    this.#meter = meter;
    meter.live++;
  }

  pause(paused: boolean): void {
    if (paused === this.#isPaused || this.#isOver) return;
    this.#isPaused = paused;
    this.#meter.paused += paused ? 1 : -1;
  }

  /** Only the first end counts. */
  end(outcome: RunOutcome): void {
    if (this.#isOver) return;
    this.pause(false);
    this.#isOver = true;
    this.#meter.live--;
    this.#meter.ended[outcome]++;
  }
}

function isNotStarted(error: unknown): boolean {
  return error instanceof SandboxExecutionError && error.code === 'ERR_NOT_STARTED';
}
