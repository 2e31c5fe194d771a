import type { Observable } from 'rxjs';
import type { LinkedList } from '../../process/linked-list.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import type { Launch, LiveRun } from './child-run.js';

/** A local sandbox: a long-lived keeper process that is the sandbox, and how to start commands in it. */
export interface LocalBox {
  /** Prefix of the marks that its runs carry. */
  readonly mark: string;
  /** Runs of which something may be left, also those that are being ended. */
  readonly runs: LinkedList<LiveRun>;
  /** Where relative paths of files begin, as the sandbox's processes see it. */
  readonly home: string;
  /** How to start this command; one that restores a volume may write to directories that are closed to their owner. */
  launch(request: ExecRequest, purpose?: 'restore'): Launch;
  /** What runs a program of this machine in the sandbox's network. Absent: that is the machine's own. */
  readonly inNetwork?: readonly string[];
  /** Emits why, when the sandbox ends by itself. */
  readonly died$: Observable<string>;
  /** Ends everything and completes when nothing is left. May be asked again. */
  readonly close$: Observable<never>;
}
