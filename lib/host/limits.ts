import { maxMessageBytes } from '../wire/codec.js';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { checkInteger, checkRecord } from '../process/validate.js';
import { GrpcCode } from '../wire/grpc-code.js';

/** How much a host takes on. What is more is refused with RESOURCE_EXHAUSTED, reason `SANDBOXRX_LIMIT`. */
export interface HostLimits {
  /** Sandboxes that are not over, at a time. Default: as many as are asked for. */
  readonly maxSandboxes?: number;
  /** The same, of those that callers with one token made. */
  readonly maxSandboxesPerToken?: number;
  /** Snapshots that are kept or being taken. Default: as many as are asked for. */
  readonly maxSnapshots?: number;
  /** The same, of those that callers with one token took. */
  readonly maxSnapshotsPerToken?: number;
  /** Runs at a time, main commands aside: of `Exec`, `StreamExec` and `StartProcess`. Default: as many as are asked for. */
  readonly maxRuns?: number;
  /** The same, of callers with one token. */
  readonly maxRunsPerToken?: number;
  /**
   * Open streams: `StreamExec`, `StreamLogs`, `AttachProcess`, `WriteStdin`, `ListProcesses`, `WatchProcesses` and
   * `WatchSandboxes`. Default: as many as are asked for.
   */
  readonly maxStreams?: number;
  /** The same, of callers with one token. */
  readonly maxStreamsPerToken?: number;
  /** The largest message that is taken, in bytes. Default 104857600, as both official clients have it. */
  readonly maxMessageBytes?: number;
  /**
   * Input of one run that may wait for its process, in bytes. From 1 MiB on the caller is made to wait, so this is
   * reached by larger messages alone. Default 33554432.
   */
  readonly maxStdinBytes?: number;
  /**
   * Output in one message, in bytes. As much is gathered for a caller who is behind: larger messages cost less, smaller ones
   * less memory. Default 524288.
   */
  readonly maxFrameBytes?: number;
  /**
   * Sessions of tunnels at a time, those that wait for their connection too: one more is told `overloaded` over its WebSocket.
   * As many WebSockets may be open beside one for each session: one more is refused with 503. Default 1024.
   */
  readonly maxTunnels?: number;
  /** The same, of callers with one token, whose WebSockets are refused with 429. Default: as many as in all. */
  readonly maxTunnelsPerToken?: number;
}

/** The limits of a host that was given none. */
export const usualLimits: Required<
  Pick<
    HostLimits,
    'maxMessageBytes' | 'maxStdinBytes' | 'maxFrameBytes' | 'maxTunnels' | 'maxTunnelsPerToken'
  >
> = {
  maxTunnels: 1024,
  maxTunnelsPerToken: Infinity,
  maxMessageBytes,
  maxStdinBytes: 33_554_432,
  maxFrameBytes: 524_288,
};

const counts = [
  'maxSandboxes',
  'maxSandboxesPerToken',
  'maxSnapshots',
  'maxSnapshotsPerToken',
  'maxRuns',
  'maxRunsPerToken',
  'maxStreams',
  'maxStreamsPerToken',
  'maxTunnels',
  'maxTunnelsPerToken',
] as const;

/** Refuses what are no {@link HostLimits}; `undefined` passes. @throws SandboxValidationError */
export function checkLimits(limits: HostLimits | undefined): void {
  if (limits === undefined) return;
  checkRecord('limits', limits);
  for (const name of counts) checkInteger(`limits.${name}`, limits[name], { min: 1 });
  const sizes = { min: 1024, max: 2 ** 31 - 1 };
  checkInteger('limits.maxMessageBytes', limits.maxMessageBytes, sizes);
  checkInteger('limits.maxStdinBytes', limits.maxStdinBytes, sizes);
  checkInteger('limits.maxFrameBytes', limits.maxFrameBytes, { min: 1024, max: maxMessageBytes });
}

/** Counts what there is, of everybody or of the one who asks. It is asked where there is a limit. */
export type Count = (whose: 'all' | 'caller') => number;

/** How many there may be, and how many more are asked for. */
export interface Room {
  readonly max: number | undefined;
  readonly maxPerToken: number | undefined;
  /** Default 1. */
  readonly more?: number;
}

/** Refuses what would be more than there may be. @throws SandboxError with code `ERR_RESOURCE_EXHAUSTED` */
export function checkRoom(what: string, count: Count, { max, maxPerToken, more = 1 }: Room): void {
  if (max !== undefined && count('all') + more > max)
    throw exhausted(`this host takes ${max} ${what}, and has no room for ${more} more`);
  if (maxPerToken !== undefined && count('caller') + more > maxPerToken)
    throw exhausted(
      `a token may have ${maxPerToken} ${what}, and this one has no room for ${more} more`,
    );
}

/** There is no room for what is asked for. */
export function exhausted(message: string, isRetryable = true): SandboxError {
  const remote = { grpcCode: GrpcCode.RESOURCE_EXHAUSTED, reason: 'SANDBOXRX_LIMIT' };
  return new SandboxError('ERR_RESOURCE_EXHAUSTED', message, { remote, retryable: isRetryable });
}
