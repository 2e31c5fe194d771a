import { SandboxValidationError, UnsupportedError } from '../process/errors/errors.js';
import type { SandboxSpec, ScratchVolume } from '../sandbox/sandbox-spec.js';
import {
  SandboxVolume,
  StorageMedium,
  VolumeMount,
  type SandboxSpec as SandboxSpecMessage,
  type ScratchVolume as ScratchMessage,
} from './generated/coreweave/sandbox/v1/sandbox.js';
import { bytesOfQuantity } from '../sandbox/quantity.js';

/** What a request says of volumes: what there is, and where its one container sees it. */
export interface VolumeMessages {
  readonly volumes: SandboxVolume[];
  readonly volumeMounts: VolumeMount[];
}

/** Volumes as coreweave.sandbox.v1 takes them. */
export function volumeMessagesOf({ volumes = [] }: SandboxSpec): VolumeMessages {
  return {
    volumes: volumes.map(({ name, sizeBytes, snapshotId = '' }) =>
      SandboxVolume.fromPartial({
        name,
        source: {
          $case: 'scratch',
          value: {
            size: sizeBytes === undefined ? '' : String(sizeBytes),
            restoreFromSnapshotId: snapshotId,
          },
        },
      }),
    ),
    volumeMounts: volumes.map(({ name: volume, mountPath }) =>
      VolumeMount.fromPartial({ volume, mountPath }),
    ),
  };
}

/**
 * The volumes that a request asks for. What would make others, if it were passed over, is refused.
 *
 * @throws SandboxValidationError or UnsupportedError
 */
export function volumesOf({
  volumes,
  containers,
}: SandboxSpecMessage): Pick<SandboxSpec, 'volumes'> {
  const mounts = containers[0]?.volumeMounts ?? [];
  const stray = mounts.find(({ volume }) => !volumes.some(({ name }) => name === volume));
  if (stray !== undefined) {
    throw new SandboxValidationError(`volume_mounts: there is no volume ${stray.volume}`);
  }
  if (volumes.length === 0) return {};
  return { volumes: volumes.map((volume) => volumeOf(volume, mounts)) };
}

function volumeOf({ name, source }: SandboxVolume, mounts: readonly VolumeMount[]): ScratchVolume {
  if (source?.$case === 'volumeId') {
    throw new UnsupportedError('volumes', `volume ${name}: there are scratch volumes only`);
  }
  const mountPath = mountPathOf(
    name,
    mounts.filter((mount) => mount.volume === name),
  );
  // One that says nothing of its source is a scratch volume, too.
  return { name, mountPath, ...(source && scratchOf(name, source.value)) };
}

function mountPathOf(name: string, mounts: readonly VolumeMount[]): string {
  const [mount, ...more] = mounts;
  if (mount === undefined) {
    throw new SandboxValidationError(`volume ${name}: it is mounted nowhere`);
  }
  if (more.length > 0 || mount.readOnly || mount.subPath !== '') {
    const text = `volume ${name}: it is mounted once, as a whole and to be written`;
    throw new UnsupportedError('volumes', text);
  }
  return mount.mountPath;
}

function scratchOf(
  name: string,
  scratch: ScratchMessage,
): Pick<ScratchVolume, 'sizeBytes' | 'snapshotId'> {
  const { restoreFromSnapshotId } = scratch;
  return {
    ...sizeOf(name, scratch),
    ...(restoreFromSnapshotId !== '' && { snapshotId: restoreFromSnapshotId }),
  };
}

/** On which medium it is, is the backend's affair. */
function sizeOf(name: string, { size, medium }: ScratchMessage): Pick<ScratchVolume, 'sizeBytes'> {
  const isMemory = medium === StorageMedium.STORAGE_MEDIUM_MEMORY;
  if (isMemory && /^(?:[1-9]\d?|100)%$/.test(size)) {
    throw new UnsupportedError('volumes', `volume ${name}: give its size in bytes, such as 512Mi`);
  }
  if (size === '' && !isMemory) return {};
  const sizeBytes = bytesOfQuantity(size);
  if (sizeBytes !== undefined) return { sizeBytes };
  throw new SandboxValidationError(`volume ${name}: its size is one such as 10Gi, not '${size}'`);
}
