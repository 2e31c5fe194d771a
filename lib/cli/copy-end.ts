import { basename, join, posix } from 'node:path';

/** Where a file is copied from or to. */
export type CopyEnd =
  | { readonly type: 'sandbox'; readonly id: string; readonly path: string }
  | { readonly type: 'local'; readonly path: string }
  /** Standard input, or standard output. */
  | { readonly type: 'standard' };

/**
 * Reads `SANDBOX:PATH`, `-` or the path of a file here. One of a file here that holds a colon begins with `/` or `./`,
 * as for `docker cp` and `scp`.
 */
export function copyEndOf(text: string): CopyEnd {
  if (text === '-') return { type: 'standard' };
  const [, id, path = ''] = /^([\w.-]+):(.*)$/s.exec(text) ?? [];
  return id === undefined ? { type: 'local', path: text } : { type: 'sandbox', id, path };
}

/** A path that names a directory by itself, whether or not there is one. */
export function namesDirectory(path: string): boolean {
  return path === '' || /(^|\/)\.{0,2}$/.test(path);
}

/** The path in a sandbox of a file that is put into this directory under the name that it has here. */
export function insideSandbox(directory: string, localPath: string): string {
  return posix.join(directory, basename(localPath));
}

/** The path here of a file that is put into this directory under the name that it has in a sandbox. */
export function insideLocal(directory: string, sandboxPath: string): string {
  return join(directory, posix.basename(sandboxPath));
}
