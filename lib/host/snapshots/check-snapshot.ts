import { SandboxValidationError } from '../../process/errors/errors.js';
import { chosenVolume } from '../../sandbox/volumes.js';
import { volumesOf } from '../../wire/volumes.js';
import type { SandboxRecord } from '../sandbox-record.js';

/** The volume of which a snapshot is asked for; empty: the only one. @throws SandboxValidationError */
export function volumeNameOf({ spec }: SandboxRecord, wanted: string): string {
  const { volumes = [] } = volumesOf(spec);
  return chosenVolume(volumes, wanted === '' ? undefined : wanted).name;
}

/** The volumes of which a sandbox shall leave snapshots. @throws SandboxValidationError */
export function checkVolumeNames(record: SandboxRecord, names: readonly string[]): void {
  for (const name of names) {
    if (name === '') throw new SandboxValidationError('snapshot_volumes: a name is empty');
    volumeNameOf(record, name);
  }
  if (new Set(names).size < names.length) {
    throw new SandboxValidationError('snapshot_volumes: a name is there twice');
  }
}
