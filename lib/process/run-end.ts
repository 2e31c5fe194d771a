import { config } from 'rxjs';
import type { StreamEnd } from './chunk-channel.js';
import type { ExitEvent } from './process-event.js';
import type { StatsCallback } from './process-options.js';
import type { ProcessResult } from './process-result.js';
import type { Outcome } from './settlement.js';

/** Where a run stands. The last three are final. */
export type ProcessState = 'starting' | 'running' | 'exited' | 'failed' | 'cancelled';

/** How a run ended. */
export interface RunEnd {
  readonly state: 'exited' | 'failed' | 'cancelled';
  /** The exit status, where it is known. */
  readonly exit?: ExitEvent;
  readonly outcome: Outcome<ProcessResult>;
  /** How `stdout$` and `stderr$` end: the one who cancelled knows, so they complete. */
  readonly chunks: StreamEnd;
}

/** How `events$` and the readers end. */
export function endOfEvents({ outcome }: RunEnd): StreamEnd {
  return outcome.ok ? 'complete' : outcome;
}

/** Tells the one who asked to be told once, and keeps what it throws away from the run. */
export function tell(statsCallback: StatsCallback | undefined, { outcome }: RunEnd): void {
  try {
    if (outcome.ok) statsCallback?.(outcome.value, null);
    else statsCallback?.(null, outcome.error);
  } catch (thrown) {
    // The run is not its concern; whoever set RxJS's hook for stray errors hears of it.
    config.onUnhandledError?.(thrown);
  }
}
