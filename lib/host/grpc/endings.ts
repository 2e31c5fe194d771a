import type { Metadata } from '@grpc/grpc-js';

/** Kept beside the metadata, which those who let calls in and those who answer them both have. */
const listeners: WeakMap<Metadata, () => void> = new WeakMap();

/**
 * Calls back when a call is over by the server's own doing, such as at its deadline. grpc-js tells a service only when the
 * stream has gone, and it stays as long as its caller does not read what was sent before.
 */
export function whenEnded(metadata: Metadata, ended: () => void): void {
  listeners.set(metadata, ended);
}

/** The call's status is sent. */
export function tellEnded(metadata: Metadata): void {
  listeners.get(metadata)?.();
}
