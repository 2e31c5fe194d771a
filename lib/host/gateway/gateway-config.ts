import { withDefaults } from '../../process/with-defaults.js';
import type { Tokens } from '../auth/tokens.js';
import type { Calls } from '../calls/calls.js';
import type { HostOptions } from '../host-options.js';
import { usualLimits } from '../limits.js';
import type { Logger } from '../logger.js';
import type { GatewayConfig } from './gateway.js';

/** What a gateway needs of its host. */
interface HostParts {
  readonly calls: Calls;
  readonly tokens: Tokens;
  readonly logger: Logger;
}

/** What the options of a host say of its port. */
export function gatewayConfig(
  options: HostOptions,
  { calls, tokens, logger }: HostParts,
): Omit<GatewayConfig, 'metrics'> {
  const { tls, handshakeMs = 10_000, keepaliveMs, keepaliveTimeoutMs = 40_000 } = options;
  const { origins = [], compressTunnels = false, tunnelGraceMs = 60_000 } = options;
  const limits = withDefaults(usualLimits, options.limits);
  const { maxMessageBytes, maxTunnels, maxTunnelsPerToken } = limits;
  return {
    ...{ tls, handshakeMs, hasMetrics: options.serveMetrics ?? false },
    grpc: { calls, maxMessageBytes, keepaliveMs: keepaliveMs ?? 20_000, keepaliveTimeoutMs },
    tunnels: {
      ...{ calls, tokens, logger, origins, compress: compressTunnels },
      ...{ maxTunnels, maxTunnelsPerToken },
      limits: {
        ...{ maxMessageBytes, handshakeMs, graceMs: tunnelGraceMs },
        heartbeatMs: keepaliveMs ?? 10_000,
      },
    },
  };
}
