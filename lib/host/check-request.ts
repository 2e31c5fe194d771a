import { SandboxValidationError, UnsupportedError } from '../process/errors/errors.js';
import type {
  EgressRule,
  NetworkOptions,
  SandboxSpec,
  SandboxVolume,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { GrpcCode } from '../wire/grpc-code.js';
import { Reason } from '../wire/reasons.js';

/** 30 days. */
const maxLifetimeSeconds = 2_592_000;

/**
 * What would make another sandbox than was asked for, if it were passed over, is refused.
 *
 * @throws SandboxValidationError or UnsupportedError
 */
export function checkSpecMessage(spec: SandboxSpec): void {
  const { containers, initContainers, maxLifetimeSeconds: lifetime, volumes, network } = spec;
  const [container] = containers;
  if (container === undefined) {
    throw new SandboxValidationError('sandbox.spec.containers: give at least one');
  }
  if (lifetime < 0 || lifetime > maxLifetimeSeconds) {
    const text = `sandbox.spec.max_lifetime_seconds: give 0 to ${maxLifetimeSeconds}`;
    throw new SandboxValidationError(text);
  }
  if (containers.length > 1 || initContainers.length > 0) {
    const text = 'this host runs one container a sandbox, and no init containers';
    throw new UnsupportedError('containers', text);
  }
  if (container.secretStores.length > 0) {
    throw new UnsupportedError('secrets', 'this host has no secret stores');
  }
  if (volumes.length > 0) throw volumeRefusal(volumes);
  if (network !== undefined) checkNetwork(network);
}

/** Snapshots have a reason of their own, by which CoreWeave's clients know that a server takes none. */
export function noSnapshots(): UnsupportedError {
  const remote = { grpcCode: GrpcCode.UNIMPLEMENTED, reason: Reason.snapshotsNotSupported };
  return new UnsupportedError('snapshots', 'this host takes no snapshots', { remote });
}

function volumeRefusal(volumes: readonly SandboxVolume[]): UnsupportedError {
  const isRestored = volumes.some(
    ({ source }) => source?.$case === 'scratch' && source.value.restoreFromSnapshotId !== '',
  );
  return isRestored ? noSnapshots() : new UnsupportedError('volumes', 'this host has no volumes');
}

function checkNetwork({ egress, denyEgress }: NetworkOptions): void {
  if (denyEgress === true && egress.length > 0) {
    throw new SandboxValidationError('sandbox.spec.network: give deny_egress or egress, not both');
  }
  if (egress.every(isForAll)) return;
  const text = 'this host lets a sandbox reach everything or nothing; it has no rules for egress';
  throw new UnsupportedError('egress', text);
}

function isForAll({ destination, ports }: EgressRule): boolean {
  return destination?.$case === 'any' && destination.value && ports.length === 0;
}
