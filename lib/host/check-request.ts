import { UnsupportedError } from '../process/errors/errors.js';
import type {
  EgressRule,
  NetworkOptions,
  SandboxSpec,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { badField } from './bad-field.js';
import { checkSpecFields } from './check-spec-fields.js';

/** 30 days. */
const maxLifetimeSeconds = 2_592_000;

/**
 * What would make another sandbox than was asked for, if it were passed over, is refused.
 *
 * @throws SandboxValidationError or UnsupportedError
 */
export function checkSpecMessage(spec: SandboxSpec): void {
  const { containers, initContainers, maxLifetimeSeconds: lifetime, network } = spec;
  const [container] = containers;
  if (container === undefined) {
    throw badField('sandbox.spec.containers', 'give at least one');
  }
  if (lifetime < 0 || lifetime > maxLifetimeSeconds) {
    throw badField('sandbox.spec.max_lifetime_seconds', `give 0 to ${maxLifetimeSeconds}`);
  }
  checkSpecFields(spec);
  if (containers.length > 1 || initContainers.length > 0) {
    const text = 'this host runs one container a sandbox, and no init containers';
    throw new UnsupportedError('containers', text);
  }
  if (container.secretStores.length > 0) {
    throw new UnsupportedError('secrets', 'this host has no secret stores');
  }
  if (network !== undefined) checkNetwork(network);
}

function checkNetwork({ egress, denyEgress }: NetworkOptions): void {
  if (denyEgress === true && egress.length > 0) {
    throw badField('sandbox.spec.network', 'give deny_egress or egress, not both');
  }
  if (egress.every(isForAll)) return;
  const text = 'this host lets a sandbox reach everything or nothing; it has no rules for egress';
  throw new UnsupportedError('egress', text);
}

function isForAll({ destination, ports }: EgressRule): boolean {
  return destination?.$case === 'any' && destination.value && ports.length === 0;
}
