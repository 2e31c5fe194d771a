import { UnsupportedError } from '../process/errors/errors.js';
import type {
  SandboxInfo,
  SandboxSpec,
  ServiceAddress,
  ServicePort,
} from '../sandbox/sandbox-spec.js';
import {
  EndpointAuth,
  EndpointKind,
  EndpointStatus,
  Service,
  ServiceProtocol,
  ServiceStatus,
  Visibility,
  type SandboxSpec as SandboxSpecMessage,
  type SandboxStatus as StatusMessage,
} from './generated/coreweave/sandbox/v1/sandbox.js';

/** Services as coreweave.sandbox.v1 takes them. */
export function serviceMessagesOf({ services = [] }: SandboxSpec): Service[] {
  return services.map(({ port, name = '' }) =>
    Service.fromPartial({
      ...{ port, name },
      ...{
        protocol: ServiceProtocol.SERVICE_PROTOCOL_TCP,
        visibility: Visibility.VISIBILITY_PUBLIC,
      },
    }),
  );
}

/** Who services can be reached by. A backend has one address for them, so these two are the same. */
export const serviceVisibilities: readonly Visibility[] = [
  Visibility.VISIBILITY_PUBLIC,
  Visibility.VISIBILITY_PRIVATE,
];

/**
 * The services that a request asks to be reached from outside; without a visibility they are not.
 *
 * @throws UnsupportedError for what no backend of ours can do
 */
export function servicesOf({ services }: SandboxSpecMessage): Pick<SandboxSpec, 'services'> {
  const reached = services.filter(
    ({ visibility }) => visibility !== Visibility.VISIBILITY_UNSPECIFIED,
  );
  return reached.length === 0 ? {} : { services: reached.map(portOf) };
}

function portOf({ port, name, protocol, visibility, endpoint }: Service): ServicePort {
  const unsupported = [
    protocol > ServiceProtocol.SERVICE_PROTOCOL_TCP && 'a protocol other than TCP',
    !serviceVisibilities.includes(visibility) && 'a visibility by rules',
    endpoint?.kind === EndpointKind.ENDPOINT_KIND_TLS_PASSTHROUGH && 'TLS that is passed through',
    endpoint?.auth === EndpointAuth.ENDPOINT_AUTH_TOKEN && 'an endpoint that wants a token',
  ].filter((wish) => wish !== false);
  if (unsupported.length > 0)
    throw new UnsupportedError('services', `port ${port}: ${unsupported.join(', and ')}`);
  return { port, ...(name !== '' && { name }) };
}

/** How services are told, and where they are reached. What is spoken there is HTTP, or whatever the sandbox speaks: no TLS. */
export function serviceStatusesOf(
  { services }: SandboxSpecMessage,
  { services: reached = [] }: Pick<SandboxInfo, 'services'>,
): ServiceStatus[] {
  return services.map(({ port, name, protocol, visibility, endpoint }) => {
    const url = reached.find((service) => service.port === port)?.url ?? '';
    return ServiceStatus.fromPartial({
      ...{ port, name, protocol, visibility, url },
      ...(endpoint && { endpoint: EndpointStatus.fromPartial({ ...endpoint, url }) }),
    });
  });
}

/** Where services are reached, as a server tells it. */
export function addressesOf({
  services,
}: Pick<StatusMessage, 'services'>): Pick<SandboxInfo, 'services'> {
  const reached = services.flatMap(({ port, name, url, endpoint }): ServiceAddress[] => {
    // What an endpoint is for may not be reached in any other way.
    const told = (endpoint?.url ?? '') || url;
    return told === '' ? [] : [{ port, url: told, ...(name !== '' && { name }) }];
  });
  return reached.length === 0 ? {} : { services: reached };
}
