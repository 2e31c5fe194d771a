import { Metadata, status as GrpcStatus, type StatusObject } from '@grpc/grpc-js';
import { errorToStatus } from '../../wire/error-to-status.js';
import { statusDetailsKey } from '../../wire/grpc-code.js';
import type { CallMetadata } from '../call.js';

const codes: ReadonlyMap<number, GrpcStatus> = new Map(
  Object.values(GrpcStatus)
    .filter((code) => typeof code === 'number')
    .map((code): [number, GrpcStatus] => [code, code]),
);

/** The status of a failed call, as the server takes it. */
export function statusOf(error: unknown): StatusObject {
  const { code, message, details } = errorToStatus(error);
  const metadata = new Metadata();
  metadata.set(statusDetailsKey, bufferOf(details));
  return { code: codes.get(code) ?? GrpcStatus.UNKNOWN, details: message, metadata };
}

export function metadataOf(entries: CallMetadata): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries))
    metadata.set(key, typeof value === 'string' ? value : bufferOf(value));
  return metadata;
}

export function plain(metadata: Metadata): CallMetadata {
  return metadata.getMap();
}

/** The same bytes, as grpc-js wants them. */
export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
