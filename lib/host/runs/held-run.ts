import { NEVER, Observable, Subject, Subscription } from 'rxjs';
import type { WindowSize } from '../../process/process-controls.js';
import type { ProcessEvent } from '../../process/process-event.js';
import type { ExecRequest, OnDisconnect, SandboxBackend } from '../../sandbox/backend.js';
import type { RunRegistry } from '../../sandbox/run-registry.js';
import { noSender, StdinBuffer } from '../stdin-buffer.js';

/** A run to start. */
export interface WantedRun {
  readonly request: Omit<ExecRequest, 'keep' | 'paused$' | 'size$' | 'stdin$' | 'lifecycle'>;
  /** Made for each start. Its starter observes and writes by this name. */
  readonly requestId: string;
  readonly hasStdin: boolean;
  readonly onDisconnect: OnDisconnect;
  /** The name of the token of whoever asks. */
  readonly caller: string | undefined;
}

/** Where a run is started. */
export interface HeldRunConfig {
  readonly backend: SandboxBackend;
  readonly registry: RunRegistry;
  /** Nothing of it is left. */
  readonly closed: () => void;
}

/** A run that belongs to the host, and lives as long as it is observed, or longer. */
export class HeldRun {
  /** What ends it. */
  readonly run: Subscription = new Subscription();
  readonly stdin: StdinBuffer | undefined;
  readonly hasTerminal: boolean;
  readonly onDisconnect: OnDisconnect;
  /** Who writes to it. */
  writer: string;
  readonly #size: Subject<WindowSize> = new Subject();
  #places = 0;

  constructor(wanted: WantedRun, maxStdinBytes: number) {
    const { request, requestId, hasStdin, onDisconnect } = wanted;
    this.writer = requestId;
    this.onDisconnect = onDisconnect;
    this.hasTerminal = request.tty !== undefined;
    this.stdin = hasStdin ? new StdinBuffer(maxStdinBytes, noSender) : undefined;
  }

  start(request: WantedRun['request'], config: HeldRunConfig): void {
    this.run.add(this.#started(request, config).subscribe({ error: ignore }));
  }

  resize(size: WindowSize): void {
    this.#size.next(size);
  }

  /** Somebody observes it. */
  joined(): void {
    this.#places++;
  }

  /** Somebody does not any more, and will not come back. */
  left(): void {
    this.#places--;
    if (this.#places === 0 && this.onDisconnect === 'kill') this.run.unsubscribe();
  }

  #started(request: WantedRun['request'], config: HeldRunConfig): Observable<ProcessEvent> {
    const { backend, registry, closed } = config;
    const source = (ties: Pick<ExecRequest, 'lifecycle' | 'paused$'>): Observable<ProcessEvent> =>
      backend.exec({
        ...request,
        ...ties,
        // The host itself remembers it, also where its backend cannot.
        keep: backend.capabilities.attach,
        onDisconnect: this.onDisconnect,
        size$: this.hasTerminal ? this.#size : NEVER,
        ...(this.stdin && { stdin$: this.stdin.stdin$ }),
      });
    const lifecycle = {
      started: ignore,
      closed: () => {
        this.stdin?.leave();
        closed();
      },
    };
    return new Observable((owner) => {
      registry.start({ id: request.id, keep: true, lifecycle, paused$: NEVER, source }, owner);
    });
  }
}

function ignore(): void {
  // Those who observe it are told.
}
