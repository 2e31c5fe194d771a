import { concatMap, defer, type Observable } from 'rxjs';
import type { SandboxError } from '../../../process/errors/sandbox-error.js';
import type { WatchCursor } from '../../../wire/generated/sandboxrx/v1/watches.js';
import { isUncertain } from '../call-outcome.js';
import { withRetryBudget } from '../polling.js';
import type { RpcTransport } from '../rpc-transport.js';
import { streamed, type Streaming } from '../streamed.js';

/** What the messages of all watches have. */
interface WatchMessage {
  readonly reset: boolean;
  readonly cursor: WatchCursor | undefined;
}

/** What has changed. */
export interface Batch<Message> {
  /** What was told before holds no more: this is all there is. */
  readonly isReset: boolean;
  readonly messages: readonly Message[];
}

/** A watch, as it is asked for. */
export interface Following<Request, Response> extends Omit<
  Streaming<Request, Response>,
  'request'
> {
  /** Asks for what has changed since. Made anew each time that the connection was lost. */
  readonly requestOf: (after: WatchCursor | undefined) => Request;
  /** How long it is tried to take it up again where it breaks, in milliseconds. */
  readonly retryBudgetMs: number;
}

/**
 * What a watch tells, in pieces that are whole. One that has begun and breaks is taken up where it was; what is told twice
 * is for the reader to know. Where there is no such server at all, that is told at once.
 */
export function followed<Request, Response extends WatchMessage>(
  transport: RpcTransport,
  { method, options, requestOf, retryBudgetMs }: Following<Request, Response>,
): Observable<Batch<Response>> {
  return defer(() => {
    let after: WatchCursor | undefined;
    const asked$ = defer(() => {
      let messages: Response[] = [];
      return streamed(transport, { method, options, request: requestOf(after) }).pipe(
        concatMap((message) => {
          messages.push(message);
          if (message.cursor === undefined) return [];
          const batch = { isReset: messages.some(({ reset }) => reset), messages };
          after = message.cursor;
          messages = [];
          return [batch];
        }),
      );
    });
    return withRetryBudget(
      asked$,
      retryBudgetMs,
      (error) => after !== undefined && isBroken(error),
    );
  });
}

/** A watch changes nothing, so whatever may be the connection's fault is tried again. */
export function isBroken(error: SandboxError): boolean {
  return error.retryable || error.code === 'ERR_CONNECTION_LOST' || isUncertain(error, undefined);
}
