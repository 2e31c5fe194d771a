import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { messageOf } from '../process/errors/message-of.js';
import { localBackend } from '../backends/local/local-backend.js';
import { Host, readTokens, type HostOptions, type HostToken } from '../host.js';
import { SandboxValidationError } from '../process/errors/errors.js';
import { ownFailure } from './exit-status.js';
import { write } from './output.js';
import type { ServeOptions } from './serve-command.js';
import { version } from './version.js';

/** Serves until a signal ends it; then this program ends too. */
export async function serve(options: ServeOptions): Promise<never> {
  const logger = pino({ name: 'sandbox-rx', level: options.logLevel }, pino.destination(2));
  try {
    const { isolation, data, serviceAddress } = options;
    const backend = localBackend({
      isolation,
      ...(data !== undefined && { snapshotDirectory: join(data, 'snapshots') }),
      ...(serviceAddress !== undefined && { serviceAddress }),
    });
    const host = new Host(backend, { ...hostOptions(options), logger });
    const ended = untilSignalled(host, options.grace);
    logger.info({ version, backend: backend.name, isolation }, 'starting');
    await announce(host, options);
    await ended;
    process.exit(0);
  } catch (error) {
    console.error(`sandbox-rx: ${messageOf(error)}`);
    process.exit(ownFailure);
  }
}

/** One line for whoever started us: the URL, or JSON with those of tunnels and metrics too. */
async function announce(host: Host, { json = false }: ServeOptions): Promise<void> {
  const url = await host.listen();
  const { tunnelUrl, metricsUrl } = host;
  const line = json
    ? JSON.stringify({ url, tunnelUrl, ...(metricsUrl !== undefined && { metricsUrl }) })
    : url;
  await write(process.stdout, `${line}\n`);
}

/** Settles when a signal has ended the host: the first in good order, the second at once. */
function untilSignalled(host: Host, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let isDraining = false;
    const onSignal = (): void => {
      const ending = isDraining ? host.close() : host.drain({ graceMs });
      isDraining = true;
      ending.then(resolve, reject);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal);
  });
}

function hostOptions(options: ServeOptions): HostOptions {
  const { address, port, insecure, retention, logBytes, data, origin } = options;
  const { metricsAddress, metricsPort, serveMetrics } = options;
  return {
    port,
    tokens: tokensOf(options),
    limits: limitsOf(options),
    ...tlsOf(options),
    scopedTokens: scopedTokensOf(options),
    ...(address !== undefined && { address }),
    ...(insecure !== undefined && { insecure }),
    ...(metricsAddress !== undefined && { metricsAddress }),
    ...(metricsPort !== undefined && { metricsPort }),
    ...(serveMetrics !== undefined && { serveMetrics }),
    ...(origin !== undefined && { origins: origin }),
    ...(retention !== undefined && { retentionMs: retention }),
    ...(logBytes !== undefined && { logBytes }),
    ...(data !== undefined && { dataDirectory: data }),
  };
}

const limitNames = [
  'maxSandboxes',
  'maxSandboxesPerToken',
  'maxSnapshots',
  'maxSnapshotsPerToken',
  'maxRuns',
  'maxRunsPerToken',
  'maxStreams',
  'maxStreamsPerToken',
  'maxMessageBytes',
  'maxStdinBytes',
  'maxFrameBytes',
  'maxTunnels',
  'maxTunnelsPerToken',
] as const;

function limitsOf(options: ServeOptions): NonNullable<HostOptions['limits']> {
  const given = limitNames.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function tokensOf({ tokenFile }: ServeOptions): readonly HostToken[] {
  const { SANDBOX_RX_TOKENS: text } = process.env;
  // Nothing that is started here may find it in its environment.
  delete process.env['SANDBOX_RX_TOKENS'];
  const tokens = readTokens(
    tokenFile === undefined ? (text ?? '') : readFileSync(tokenFile, 'utf8'),
  );
  if (tokens.length === 0 && (tokenFile ?? text) !== undefined) {
    const where = tokenFile ?? '$SANDBOX_RX_TOKENS';
    throw new SandboxValidationError(`${where} has no token: give one name:token a line`);
  }
  return tokens;
}

function scopedTokensOf({
  scopedTokenKey,
  maxScopedTtl,
}: ServeOptions): NonNullable<HostOptions['scopedTokens']> {
  return {
    ...(scopedTokenKey !== undefined && { key: readFileSync(scopedTokenKey) }),
    ...(maxScopedTtl !== undefined && { maxTtlMs: maxScopedTtl }),
  };
}

function tlsOf({ tlsCert, tlsKey, clientCa }: ServeOptions): Pick<HostOptions, 'tls'> {
  if (tlsCert === undefined && tlsKey === undefined && clientCa === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new SandboxValidationError('give --tls-cert and --tls-key together');
  }
  return {
    tls: {
      certificate: readFileSync(tlsCert),
      key: readFileSync(tlsKey),
      ...(clientCa !== undefined && { clientAuthorities: readFileSync(clientCa) }),
    },
  };
}
