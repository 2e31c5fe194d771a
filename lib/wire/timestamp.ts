import type { Timestamp } from './generated/google/protobuf/timestamp.js';

/** A time as `google.protobuf.Timestamp`, from milliseconds since 1970 in UTC. */
export function toTimestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** The milliseconds since 1970 of a `google.protobuf.Timestamp`. */
export function fromTimestamp({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + nanos / 1_000_000;
}
