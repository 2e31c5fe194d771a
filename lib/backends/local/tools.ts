import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SandboxError } from '../../process/errors/sandbox-error.js';

/** Where system tools are, beside the PATH: an ordinary user's may lack the last ones. */
const systemDirectories = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

const found: Map<string, string> = new Map();

/** The absolute path of a tool of this machine, or `undefined`. */
function findTool(name: string): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...systemDirectories];
  const path = directories
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find(isExecutable);
  if (path !== undefined) found.set(name, path);
  return path;
}

/**
 * The absolute path of a tool that is needed.
 *
 * @throws SandboxError with code `ERR_BACKEND_UNAVAILABLE`, which says what to install.
 */
export function needTool(name: string, debianPackage: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new SandboxError(
    'ERR_BACKEND_UNAVAILABLE',
    `the local backend needs ${name}, which is not installed: apt-get install ${debianPackage}` +
      ` (or your system's package of it). To run trusted commands without isolation, ask for it by name: isolation: 'none'`,
  );
}

/** The absolute path of `timeout(1)` where it is GNU's: others do not wait for their command, but become it. */
export function gnuTimeout(): string | undefined {
  const path = findTool('timeout');
  if (path === undefined) return undefined;
  isGnu ??= versionOf(path).includes('GNU');
  return isGnu ? path : undefined;
}

let isGnu: boolean | undefined;

function versionOf(path: string): string {
  const { error, stdout } = spawnSync(path, ['--version'], { encoding: 'latin1' });
  if (error !== undefined) throw error;
  return stdout;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
