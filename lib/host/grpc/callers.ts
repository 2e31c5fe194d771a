import type { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../auth/tokens.js';

/** Kept beside the metadata, where no caller can put it. */
const callers: WeakMap<Metadata, Caller> = new WeakMap();

/** Notes who makes a call. */
export function noteCaller(metadata: Metadata, { caller, isAdmin, scope }: Caller): void {
  callers.set(metadata, { caller, isAdmin, scope });
}

/** Who makes a call; nobody who may do more than others, where that was not noted. */
export function callerOf(metadata: Metadata): Caller {
  return callers.get(metadata) ?? { caller: undefined, isAdmin: false, scope: undefined };
}
