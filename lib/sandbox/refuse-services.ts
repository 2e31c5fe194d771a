import { UnsupportedError } from '../process/errors/errors.js';
import type { SandboxBackend } from './backend.js';
import type { SandboxSpec } from './sandbox-spec.js';

/** @throws UnsupportedError for a sandbox that would have services, on a backend that has none. */
export function refuseServices(
  { name, capabilities }: Pick<SandboxBackend, 'name' | 'capabilities'>,
  { services = [] }: SandboxSpec,
): void {
  if (services.length > 0 && !capabilities.services)
    throw new UnsupportedError('services', `ports of ${name} sandboxes cannot be reached`);
}
