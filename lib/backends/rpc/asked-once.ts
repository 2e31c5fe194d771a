import { catchError, defer, throwError, type Observable } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { GrpcCode } from '../../wire/grpc-code.js';
import { isUncertain, lostBy } from './call-outcome.js';
import { withRetryBudget } from './polling.js';
import type { RpcMethod } from './rpc-method.js';
import type { Answer, CallOptions, RpcTransport } from './rpc-transport.js';

/** A call that makes something. */
export interface Making<Request, Response> {
  readonly method: RpcMethod<Request, Response>;
  /** With an id by which the server knows it again. */
  readonly request: Request;
  readonly options: CallOptions;
  /** What is lost where no answer comes. */
  readonly what: string;
}

/**
 * A call that makes something once. Where a server that was reached is not available, or its answer is lost, it is asked
 * again: it knows the call by its request id. Where there is no server at all, that is told at once.
 */
export function askedOnce<Request, Response>(
  transport: RpcTransport,
  { method, request, options, what }: Making<Request, Response>,
  retryBudgetMs: number,
): Observable<Answer<Response>> {
  return defer(() => {
    let wasReached = false;
    let lost: SandboxError | undefined;
    const failed = (wasSent: boolean): void => {
      wasReached ||= wasSent;
    };
    const isRepeated = (error: SandboxError): boolean => {
      if (!wasReached) return false;
      const isUnknown = isLost(error);
      if (isUnknown) lost ??= error;
      return isUnknown || error.code === 'ERR_BACKEND_UNAVAILABLE';
    };
    const asked$ = transport.call(method, request, { ...options, failed });
    return withRetryBudget(asked$, retryBudgetMs, isRepeated).pipe(
      // Only a server that names a reason knows that there is none.
      catchError((error: unknown) =>
        throwError(() =>
          lost === undefined || isRefusal(error) ? error : lostBy(lost, what, options.subject),
        ),
      ),
    );
  });
}

/** A call that takes too long has an error of its own, and was given all its time; a server that fails has answered. */
function isLost(error: SandboxError): boolean {
  const hasAnswered = error.remote?.grpcCode === GrpcCode.INTERNAL;
  return !hasAnswered && error.code !== 'ERR_REQUEST_TIMEOUT' && isUncertain(error, undefined);
}

function isRefusal(error: unknown): boolean {
  return error instanceof SandboxError && error.remote?.reason !== undefined && !error.retryable;
}
