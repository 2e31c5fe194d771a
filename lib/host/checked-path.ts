import { badField } from './bad-field.js';

/** PATH_MAX of Linux. */
const maxPathLength = 4096;

/** A path in a sandbox. @throws SandboxValidationError for what can be none */
export function checkedPath(field: string, path: string): string {
  if (path === '' || path.includes('\0')) throw badField(field, 'give one, and without a NUL');
  // It may become the argument of a command, which would then be what could not be started.
  if (path.length >= maxPathLength) throw badField(field, 'it is too long');
  return path;
}
