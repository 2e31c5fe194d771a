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

/** From the year 1 to the year 9999, as the schema of Timestamp has it. */
export function isTimestamp({ seconds, nanos }: Timestamp): boolean {
  const isTime = seconds >= -62_135_596_800n && seconds <= 253_402_300_799n;
  return isTime && nanos >= 0 && nanos <= 999_999_999;
}
