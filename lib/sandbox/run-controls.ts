import { BehaviorSubject, Subject, type Observable } from 'rxjs';
import type { OperationRef } from '../process/operation-ref.js';
import { startOperation } from '../process/operation-ref.js';
import type { ProcessControls, RunLifecycle, WindowSize } from '../process/process-controls.js';
import { StreamWriter } from '../process/stream-writer.js';

/** The way from a `Process` to its backend: what the handle says is what the request's Observables emit. */
export class RunControls implements ProcessControls, RunLifecycle {
  readonly sandboxId: string;
  readonly stdin?: StreamWriter;
  readonly resize?: (size: WindowSize) => void;
  readonly #sendSignal: (signal: string) => Observable<never>;
  readonly #paused = new BehaviorSubject(false);
  readonly #size: Subject<WindowSize> = new Subject();
  #lifecycle: RunLifecycle | undefined;

  constructor(
    sandboxId: string,
    sendSignal: (signal: string) => Observable<never>,
    wants: { readonly stdin: boolean; readonly tty: boolean },
  ) {
    this.sandboxId = sandboxId;
    this.#sendSignal = sendSignal;
    if (wants.stdin) this.stdin = new StreamWriter();
    if (wants.tty) this.resize = (size) => this.#size.next(size);
  }

  get paused$(): Observable<boolean> {
    return this.#paused;
  }

  get size$(): Observable<WindowSize> {
    return this.#size;
  }

  pause(paused: boolean): void {
    this.#paused.next(paused);
  }

  kill(signal: string): OperationRef<void> {
    return startOperation<void>(this.#sendSignal(signal), undefined);
  }

  connect(lifecycle: RunLifecycle): void {
    this.#lifecycle = lifecycle;
  }

  started(): void {
    this.#lifecycle?.started();
  }

  closed(): void {
    this.#lifecycle?.closed();
  }
}
