import type { OutputStream } from '../process/process-event.js';
import type { StreamOffsets } from './generated/sandboxrx/v1/runs.js';

/** Positions in both streams, as the model has them. */
export function offsetsOf({ stdout, stderr }: StreamOffsets = {}): Partial<
  Record<OutputStream, number>
> {
  return {
    ...(stdout !== undefined && { stdout: Number(stdout) }),
    ...(stderr !== undefined && { stderr: Number(stderr) }),
  };
}

/** The inverse of {@link offsetsOf}. */
export function streamOffsetsOf({
  stdout,
  stderr,
}: Partial<Record<OutputStream, number>>): StreamOffsets {
  return {
    ...(stdout !== undefined && { stdout: BigInt(stdout) }),
    ...(stderr !== undefined && { stderr: BigInt(stderr) }),
  };
}
