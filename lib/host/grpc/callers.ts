import type { Metadata } from '@grpc/grpc-js';

/** Kept beside the metadata, where no caller can put it. */
const callers: WeakMap<Metadata, string> = new WeakMap();

/** Notes the name of the token that a call came with. */
export function noteCaller(metadata: Metadata, caller: string | undefined): void {
  if (caller !== undefined) callers.set(metadata, caller);
}

/** The name of the token that a call came with. */
export function callerOf(metadata: Metadata): string | undefined {
  return callers.get(metadata);
}
