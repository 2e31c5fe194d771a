import { SandboxNotFoundError, SandboxValidationError } from '../process/errors/errors.js';
import type { ScratchVolume } from './sandbox-spec.js';

/** A path without `.` and `..`; a relative one starts at `home`. */
export function absolutePath(home: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${home}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** A volume and the absolute path that it is seen at. */
export interface PlacedVolume extends ScratchVolume {
  readonly path: string;
}

/**
 * Where the volumes of a sandbox lie.
 *
 * @throws SandboxValidationError where one would lie over the home, or over another volume.
 */
export function placedVolumes(
  volumes: readonly ScratchVolume[],
  home: string,
): readonly PlacedVolume[] {
  const placed: PlacedVolume[] = [];
  for (const volume of volumes) {
    const path = absolutePath(home, volume.mountPath);
    if (isWithin(home, path)) throw badPlace(volume, 'it would hide the home');
    const other = placed.find((one) => isWithin(one.path, path) || isWithin(path, one.path));
    if (other !== undefined) throw badPlace(volume, `it would lie over volume ${other.name}`);
    placed.push({ ...volume, path });
  }
  return placed;
}

/** A volume that cannot be where it was asked for. */
export function badPlace({ name, mountPath }: ScratchVolume, why: string): SandboxValidationError {
  return new SandboxValidationError(
    `volume ${name} cannot be mounted at ${mountPath}: ${why}; choose another path`,
  );
}

/** Whether a path is a directory, or in it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === '/' || path.startsWith(`${directory}/`);
}

/**
 * The volume of this name; without a name, the only one.
 *
 * @throws SandboxValidationError, which says which ones there are.
 */
export function chosenVolume(
  volumes: readonly ScratchVolume[],
  name: string | undefined,
): ScratchVolume {
  const chosen =
    name === undefined && volumes.length === 1
      ? volumes[0]
      : volumes.find((volume) => volume.name === name);
  if (chosen !== undefined) return chosen;
  const names = volumes.map((volume) => volume.name).join(', ');
  if (names === '') {
    throw new SandboxValidationError(
      'the sandbox has no volume to take a snapshot of; create it with volumes',
    );
  }
  const wrong = name === undefined ? 'several volumes' : `no volume ${name}`;
  throw new SandboxValidationError(`the sandbox has ${wrong}; choose one of: ${names}`);
}

/** The error of who asks for a snapshot that there is not, or not any more. */
export function noSnapshot(snapshotId: string): SandboxNotFoundError {
  return new SandboxNotFoundError(`there is no snapshot ${snapshotId}`, { snapshotId });
}
