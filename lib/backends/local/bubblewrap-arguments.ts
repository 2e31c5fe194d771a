import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { SandboxValidationError } from '../../process/errors/errors.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { volumeArguments } from './bubblewrap-volumes.js';

/** Home directory in a sandbox: that of its user, who is root in name only. */
export const sandboxHome = '/root';

/** How large the home and `/tmp` may grow when nothing else is said: they are in memory. */
const defaultHomeBytes = 1_073_741_824;

/** A directory of this machine that a sandbox may see. */
export interface Mount {
  /** Absolute path on this machine. */
  readonly source: string;
  /** Absolute path in the sandbox. Default: the same. */
  readonly target?: string;
  /**
   * Whether the sandbox may write to it, as far as its user may. Where this program is root, that is a user who is nobody
   * else's: a directory of root's then has to be open to others (`chmod o+w`). Default `false`.
   */
  readonly writable?: boolean;
}

/** What of the host's system a sandbox sees, read-only. Home directories, sockets, `/var` and `/sys` are not there. */
const systemDirectories = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix'];

/** The sandbox's view of the machine, as arguments of `bwrap`. */
export function viewArguments(spec: SandboxSpec, mounts: readonly Mount[]): readonly string[] {
  const homeBytes = spec.limits?.homeBytes ?? defaultHomeBytes;
  const size = String(homeBytes);
  const mountPaths = mounts.map(({ source, target = source }) => target);
  return [
    ...['--ro-bind', '/usr', '/usr', '--ro-bind', '/etc', '/etc'],
    ...systemDirectories.flatMap(systemDirectory),
    ...['--proc', '/proc', '--dev', '/dev', '--size', size, '--tmpfs', '/dev/shm'],
    ...['--size', size, '--tmpfs', '/tmp', '--size', size, '--tmpfs', sandboxHome],
    ...['--dir', '/run', '--dir', '/var', '--symlink', '/tmp', '/var/tmp'],
    ...(spec.network === 'host' ? ['--ro-bind-try', resolverDirectory, resolverDirectory] : []),
    ...mounts.flatMap(mountArguments),
    ...volumeArguments(spec, { home: sandboxHome, homeBytes, mountPaths }),
    ...[
      '--remount-ro',
      '/dev',
      '--remount-ro',
      '/',
      '--chdir',
      sandboxHome,
      '--hostname',
      'sandbox',
    ],
  ];
}

/** It may have gone since the backend was made. */
function mountArguments({ source, target = source, writable }: Mount): readonly string[] {
  if (!existsSync(source)) {
    throw new SandboxValidationError(
      `mounts: there is nothing at ${source} to be seen in a sandbox; make it first, or leave the mount out`,
    );
  }
  return [writable ? '--bind' : '--ro-bind', source, target];
}

/** Where `/etc/resolv.conf` points on systems with systemd-resolved. */
const resolverDirectory = '/run/systemd/resolve';

/** On most systems these are links into `/usr`. */
function systemDirectory(path: string): readonly string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink()
    ? ['--symlink', readlinkSync(path), path]
    : ['--ro-bind', path, path];
}

/** What the sandbox does not share with the host, and what becomes of it when this program ends. */
export function enclosureArguments({ network = 'none' }: SandboxSpec): readonly string[] {
  return [
    ...['--cap-drop', 'ALL', '--unshare-pid', '--unshare-ipc', '--unshare-uts'],
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...['--die-with-parent', '--new-session', '--clearenv', '--setenv', 'PATH', '/usr/bin:/bin'],
  ];
}
