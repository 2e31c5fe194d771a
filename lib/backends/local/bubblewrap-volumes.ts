import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { badPlace, isWithin, placedVolumes, type PlacedVolume } from '../../sandbox/volumes.js';

/** Where nothing may lie over, or in it: the system, what it needs, and what only leads elsewhere. */
const systemPaths = [
  ...['/usr', '/etc', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix'],
  ...['/proc', '/dev', '/sys', '/run/systemd', '/var/tmp'],
];

/** Where a volume may lie in it, but not over it. */
const sharedPaths = ['/tmp', '/run', '/var'];

/**
 * The volumes of a sandbox, each a file system of its own in memory, as arguments of `bwrap`.
 *
 * @throws SandboxValidationError where one would hide something else.
 */
export function volumeArguments(
  { volumes = [] }: SandboxSpec,
  { home, homeBytes, mountPaths }: VolumeSurroundings,
): readonly string[] {
  const placed = placedVolumes(volumes, home);
  for (const volume of placed) checkPlace(volume, mountPaths);
  return placed.flatMap(({ path, sizeBytes = homeBytes }) => [
    ...['--size', String(sizeBytes)],
    ...['--tmpfs', path],
  ]);
}

/** What volumes have to go with. */
interface VolumeSurroundings {
  readonly home: string;
  readonly homeBytes: number;
  /** Where directories of the host are seen. */
  readonly mountPaths: readonly string[];
}

function checkPlace(volume: PlacedVolume, mountPaths: readonly string[]): void {
  const { path } = volume;
  const system =
    systemPaths.find((one) => isWithin(path, one)) ??
    sharedPaths.find((one) => isWithin(one, path));
  if (system !== undefined) throw badPlace(volume, `${system} belongs to the system`);
  const mount = mountPaths.find((one) => isWithin(path, one) || isWithin(one, path));
  if (mount !== undefined) throw badPlace(volume, `a directory of the host is at ${mount}`);
}
