import { GrpcCode } from '../../wire/grpc-code.js';
import type { Logger } from '../logger.js';
import type { EndedCall } from './calls.js';

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(GrpcCode).map(([name, code]) => [code, name]),
);

/** The name of a status code, such as `NOT_FOUND`. */
export function codeName(code: number): string {
  return names.get(code) ?? String(code);
}

/** Failures that say something is wrong with the host, not with what it was asked for. */
const hostFailures: ReadonlySet<number> = new Set([
  GrpcCode.UNKNOWN,
  GrpcCode.INTERNAL,
  GrpcCode.DATA_LOSS,
]);

/** Tells of a call that failed. What callers give up is no failure; the message, which may quote them, is left out. */
export function logCall(logger: Logger, { path, code, durationMs, ...call }: EndedCall): void {
  if (code === GrpcCode.OK || code === GrpcCode.CANCELLED) return;
  const { caller, scopeName: token = caller, reason, sandboxId, runId } = call;
  const fields = {
    method: path,
    code: codeName(code),
    durationMs: Math.round(durationMs),
    ...(reason !== undefined && { reason }),
    ...(token !== undefined && { token }),
    ...(sandboxId !== undefined && { sandboxId }),
    ...(runId !== undefined && { runId }),
  };
  if (hostFailures.has(code)) logger.error(fields, 'call failed');
  else logger.warn(fields, 'call failed');
}
