import { catchError, filter, Observable, throwError } from 'rxjs';
import {
  ConnectionLostError,
  SandboxNotFoundError,
  CancelledError,
} from '../../../process/errors/errors.js';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import { newId } from '../../../process/new-id.js';
import type { WindowSize } from '../../../process/process-controls.js';
import type { OutputStream, ProcessEvent } from '../../../process/process-event.js';
import type { AttachRequest } from '../../../sandbox/backend.js';
import { isUncertain, lostBy } from '../call-outcome.js';
import { withRetryBudget } from '../polling.js';
import type { RpcTransport } from '../rpc-transport.js';
import { AttachCall } from './attach-call.js';
import { lacking } from './lacking.js';

/** A run to observe. */
export interface Attachment extends AttachRequest {
  /** Default: another one for each subscription. */
  readonly observerId?: string;
  /** The epoch under which this client has started the run: it began to be observed then, and no output may be missing. */
  readonly startedIn?: string;
  /** New sizes of the terminal, where the run is the observer's own and has one. */
  readonly size$?: Observable<WindowSize>;
}

/** Where an observation is, over all of its calls. */
export interface AttachCursor {
  readonly observerId: string;
  /** Empty: it is not known yet that there is such a run. */
  epoch: string;
  /** Where the next output of each stream begins. */
  readonly at: Partial<Record<OutputStream, number>>;
  /** Where the output ends that was passed on: before that, where some was left out and none came after. */
  readonly shown: Partial<Record<OutputStream, number>>;
  isRunning: boolean;
  /** The terminal's last size. */
  size: WindowSize | undefined;
  /** It was told how the run failed. */
  hasFailed: boolean;
  /** Calls that broke. */
  breaks: number;
}

/**
 * A run that is observed by its id: cold; unsubscribing only stops observing. When the connection breaks, it is taken up
 * again where it broke, as long as the server is back within `retryBudgetMs`.
 */
export function attachedRun(
  transport: RpcTransport,
  attachment: Attachment,
  retryBudgetMs: number,
): Observable<ProcessEvent> {
  return new Observable((subscriber) => {
    const { sandboxId, runId, from, startedIn = '', size$ } = attachment;
    const { observerId = newId() } = attachment;
    const cursor: AttachCursor = {
      observerId,
      epoch: startedIn,
      at: { ...from },
      shown: { ...from },
      size: undefined,
      isRunning: false,
      hasFailed: false,
      breaks: 0,
    };
    const keepSize = (size: WindowSize): void => {
      cursor.size = size;
    };
    subscriber.add(size$?.subscribe({ next: keepSize, error: ignore }));
    const call$: Observable<ProcessEvent | 'opened'> = new Observable((told) => {
      const call = new AttachCall(transport, { attachment, cursor }, told);
      return () => {
        call.leave();
      };
    });
    const isTakenUp = (error: SandboxError): boolean => {
      if (cursor.epoch === '' || cursor.hasFailed || !isBreak(error)) return false;
      cursor.breaks++;
      return true;
    };
    withRetryBudget(call$, retryBudgetMs, isTakenUp)
      .pipe(
        filter((event) => event !== 'opened'),
        catchError((error: unknown) =>
          throwError(() => outcomeOf(error, cursor, { sandboxId, runId })),
        ),
      )
      .subscribe(subscriber);
  });
}

/** Whether it may go on when it is tried again. */
export function isBreak(error: SandboxError): boolean {
  return error.retryable || isUncertain(error, undefined);
}

/** What the run's observer is told in the end. */
function outcomeOf(
  error: unknown,
  { epoch, hasFailed, breaks }: AttachCursor,
  ids: Readonly<Record<'sandboxId' | 'runId', string>>,
): unknown {
  if (!(error instanceof SandboxError)) return error;
  if (epoch === '') return lacking('attach', error);
  if (error instanceof ConnectionLostError) return error;
  if (!hasFailed) return lostBy(error, 'the run', ids);
  // Ended or forgotten while this observer was away: nobody here asked for that.
  const isForgotten = error instanceof SandboxNotFoundError || error instanceof CancelledError;
  return breaks > 0 && isForgotten ? lostBy(error, 'the run', ids) : error;
}

function ignore(): void {
  // The run has its own end.
}
