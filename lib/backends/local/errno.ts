/** The system's word for what went wrong, such as `ENOENT`; empty where it has none. */
export function errnoOf(cause: unknown): string {
  return isSystemError(cause) ? cause.code : '';
}

/** Node's own errors are of another realm where this runs in a `vm` context, as under Jest. */
export function isSystemError(
  cause: unknown,
): cause is { readonly code: string; readonly message: string } {
  return (
    typeof cause === 'object' && cause !== null && 'code' in cause && typeof cause.code === 'string'
  );
}

/** Whether this machine lacks only for now what was needed: processes, memory or file descriptors. */
export function isShortage(cause: unknown): boolean {
  return ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'].includes(errnoOf(cause));
}
