import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ScratchVolume } from '../sandbox/sandbox-spec.js';
import { bytesOfQuantity } from '../sandbox/quantity.js';

/** The volumes of a sandbox that is made, and what they begin with. */
export interface VolumeOptions {
  readonly volume: readonly ScratchVolume[];
  /** Snapshots, by the names of volumes. */
  readonly restore: Readonly<Record<string, string>>;
}

/** Adds the options of {@link VolumeOptions}. */
export function addVolumeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--volume <name:path[:size]>',
        'give it a directory of which snapshots can be taken, which holds so much: 500M, 10Gi; may be given several times',
      )
        .argParser(addVolume)
        .default([], 'none'),
    )
    .addOption(
      new Option('--restore <name=snapshot>', 'what a volume begins with (default: nothing)')
        .argParser(addRestore)
        .default({}, 'none'),
    );
}

/** The volumes as a sandbox is asked for with them. */
export function volumesOf({ volume, restore }: VolumeOptions): readonly ScratchVolume[] {
  const stray = Object.keys(restore).find((name) => !volume.some((one) => one.name === name));
  if (stray !== undefined) throw new Error(`--restore ${stray}: give --volume ${stray}:PATH, too`);
  return volume.map((one) => {
    const snapshotId = restore[one.name];
    return snapshotId === undefined ? one : { ...one, snapshotId };
  });
}

function addVolume(text: string, volumes: readonly ScratchVolume[]): readonly ScratchVolume[] {
  const [name = '', mountPath = '', size, ...more] = text.split(':');
  if (name === '' || mountPath === '' || more.length > 0)
    throw new InvalidArgumentError('It is NAME:PATH or NAME:PATH:SIZE.');
  if (size === undefined) return [...volumes, { name, mountPath }];
  const sizeBytes = bytesOfQuantity(size);
  if (sizeBytes === undefined)
    throw new InvalidArgumentError('Its size is a number of bytes, such as 500M or 10Gi.');
  return [...volumes, { name, mountPath, sizeBytes }];
}

function addRestore(
  text: string,
  restore: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const [name = '', snapshotId = ''] = text.split(/=(.*)/s);
  if (name === '' || snapshotId === '') throw new InvalidArgumentError('It is NAME=SNAPSHOT.');
  return { ...restore, [name]: snapshotId };
}
