import type { OperationRef } from './operation-ref.js';
import type { StreamWriter } from './stream-writer.js';

/** Size of a terminal in characters, as in `struct winsize` of `tty_ioctl(4)`. */
export interface WindowSize {
  readonly rows: number;
  readonly cols: number;
}

/** What a backend tells about a run beside its events. */
export interface RunLifecycle {
  /** The process has been started. */
  started(): void;
  /** Nothing of the run is left: called once, after its end or after it was unsubscribed. */
  closed(): void;
}

/**
 * What a {@link Process} can do with its run beside observing and unsubscribing. `Sandbox.exec` makes them; a
 * Process over an Observable of your own does without.
 */
export interface ProcessControls {
  /** The sandbox that the run is in, for its errors. */
  readonly sandboxId?: string;
  /** Standard input, when it was asked for with `stdin: true`. */
  readonly stdin?: StreamWriter;
  /** Asks the run to stop (`true`) or to go on (`false`) producing output. */
  pause?(paused: boolean): void;
  /** Sends a signal to the process. */
  kill?(signal: string): OperationRef<void>;
  /** Changes the size of the process's terminal. */
  resize?(size: WindowSize): void;
  /** Is given whom to tell of the run's start and of its last trace's end. */
  connect?(lifecycle: RunLifecycle): void;
}
