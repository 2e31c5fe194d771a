import type { StreamEnd } from '../process/chunk-channel.js';
import { CancelledError } from '../process/errors/errors.js';
import { messageOf } from '../process/errors/message-of.js';
import type { ExitEvent } from '../process/process-event.js';
import type { ProcessInfo } from './backend.js';

/** How one run stands, for those who watch the processes of its sandbox. */
export class ToldRun {
  readonly #tell: (info: ProcessInfo) => void;
  #info: ProcessInfo;
  #isTold = false;

  constructor(info: ProcessInfo, tell: (info: ProcessInfo) => void) {
    this.#info = info;
    this.#tell = tell;
  }

  /** Tells of it from now on: it has been started as far as it goes, so that who hears of it can end it. */
  begin(): void {
    this.#isTold = true;
    this.#tell(this.#info);
  }

  started(): void {
    if (this.#info.state === 'starting') this.#change({ state: 'running' });
  }

  /** `isKept`: it can still be found by its id. */
  ended(how: ReturnType<typeof outcomeOf>, isKept: boolean): void {
    const endedAtMs = Date.now();
    this.#change({ endedAtMs, ...how, ...(!isKept && { forgotten: true }) });
  }

  /** It cannot be found any more. */
  forget(): void {
    if (this.#info.forgotten !== true) this.#change({ forgotten: true });
  }

  #change(change: Partial<ProcessInfo>): void {
    // Not by spreading: V8 (as of 11) makes a hidden class for each object that begins so and then gets other fields.
    this.#info = Object.assign({}, this.#info, change);
    if (this.#isTold) this.#tell(this.#info);
  }
}

/** How a run ended, as it is told. */
export function outcomeOf(
  end: StreamEnd,
  exit: ExitEvent | undefined,
): Pick<ProcessInfo, 'state' | 'returncode' | 'signal' | 'reason'> {
  if (exit !== undefined) {
    const { returncode, signal } = exit;
    return { state: 'exited', returncode, ...(signal !== undefined && { signal }) };
  }
  if (end !== 'complete' && end.error instanceof CancelledError) return { state: 'cancelled' };
  const reason = end === 'complete' ? 'its end was not told' : messageOf(end.error);
  return { state: 'failed', reason };
}
