import { SandboxValidationError } from '../process/errors/errors.js';
import {
  checkBoolean,
  checkInteger,
  checkRecord,
  checkText,
  maxTimerMs,
  refuse,
} from '../process/validate.js';
import { checkExposure } from './auth/exposure.js';
import { checkTls, type HostTls } from './auth/tls.js';
import { checkTokens, type HostToken } from './auth/tokens.js';
import { checkLimits, type HostLimits } from './limits.js';
import { checkLogger, type Logger } from './logger.js';

/** Options for `Host`. */
export interface HostOptions {
  /**
   * The address to listen on. Default `127.0.0.1`. Any that other machines can reach needs `tokens` and `tls`, or
   * `insecure`.
   */
  readonly address?: string;
  /** The port to listen on; 0: one that is free. Default 0. */
  readonly port?: number;
  /**
   * What callers have to show one of, as `authorization: Bearer <token>`; health checks aside. Default: none, and
   * everybody who can connect may do everything.
   */
  readonly tokens?: readonly HostToken[];
  /** Certificates for TLS and mutual TLS. Default: HTTP/2 without TLS. */
  readonly tls?: HostTls;
  /** Listens wherever it is told to, though anybody could reach it, or read along. Default `false`. */
  readonly insecure?: boolean;
  /** How much to take on. */
  readonly limits?: HostLimits;
  /** How long an ended sandbox can still be asked for, in milliseconds. Default 3600000: an hour. */
  readonly retentionMs?: number;
  /**
   * Where the host writes down its sandboxes, snapshots and templates, so that one that is started again after a crash knows them.
   * The directory is made where there is none. Default: nowhere.
   */
  readonly dataDirectory?: string;
  /** How much of a main command's output is kept for `StreamLogs`, in bytes. Default 4194304. */
  readonly logBytes?: number;
  /**
   * From one ping to the next on each connection, in milliseconds; it keeps the way through a NAT open. Default 20000, and
   * 10000 in tunnels.
   */
  readonly keepaliveMs?: number;
  /**
   * How long an HTTP/2 ping may stay unanswered before its connection counts as dead and its calls are ended, in
   * milliseconds. Default 40000: a peer that was stopped for half a minute is still there. A tunnel waits for three pings,
   * and its calls then for another connection.
   */
  readonly keepaliveTimeoutMs?: number;
  /**
   * How long the place of an observer is kept whose connection broke, in milliseconds: what it has not received is there
   * when it comes back, up to 4 MiB, and then the run waits for it. When the last one has not come back in that time, a run
   * with `onDisconnect: 'kill'` is ended. Default 60000.
   */
  readonly reconnectGraceMs?: number;
  /** The port of the endpoint with `/metrics` and `/healthz`; 0: one that is free. Default: there is none. */
  readonly metricsPort?: number;
  /** The address of that endpoint, which asks for no token. Default `127.0.0.1`. */
  readonly metricsAddress?: string;
  /** Whether `/metrics` is served on the host's own port too, to callers with a token where there are tokens. Default `false`. */
  readonly serveMetrics?: boolean;
  /**
   * Origins whose pages may open tunnels, such as `https://dashboard.example`. Default: none, so no browser can. Those of this
   * host's own pages are no exception: a name that is pointed at this machine makes any page one of them.
   */
  readonly origins?: readonly string[];
  /** Whether tunnels are compressed where the client wants it; costs time and memory. Default `false`. */
  readonly compressTunnels?: boolean;
  /** How long a tunnel whose connection is lost is kept for its client to come back, in milliseconds. Default 60000. */
  readonly tunnelGraceMs?: number;
  /** How long a connection may take to say what it wants, in milliseconds. Default 10000. */
  readonly handshakeMs?: number;
  /** Where to tell what happens, such as `pino()`. Default: nowhere. */
  readonly logger?: Logger;
}

/** @throws SandboxValidationError for a bad option */
export function checkOptions(options: HostOptions): void {
  checkRecord('options', options);
  checkText('address', options.address);
  checkText('dataDirectory', options.dataDirectory);
  checkInteger('port', options.port, { min: 0, max: 65_535 });
  checkTokens(options.tokens);
  checkTls(options.tls);
  checkBoolean('insecure', options.insecure);
  checkLimits(options.limits);
  checkInteger('retentionMs', options.retentionMs, { min: 0, max: maxTimerMs });
  checkInteger('logBytes', options.logBytes, { min: 1024 });
  checkInteger('keepaliveMs', options.keepaliveMs, { min: 1000, max: maxTimerMs });
  checkInteger('keepaliveTimeoutMs', options.keepaliveTimeoutMs, { min: 1000, max: maxTimerMs });
  checkInteger('reconnectGraceMs', options.reconnectGraceMs, { min: 0, max: maxTimerMs });
  checkInteger('metricsPort', options.metricsPort, { min: 0, max: 65_535 });
  checkText('metricsAddress', options.metricsAddress);
  checkTunnelOptions(options);
  checkLogger(options.logger);
  const { address = defaultAddress, tokens = [], tls, insecure = false } = options;
  checkExposure({ address, hasTokens: tokens.length > 0, hasTls: tls !== undefined, insecure });
}

function checkTunnelOptions(options: HostOptions): void {
  const { origins, tunnelGraceMs, handshakeMs } = options;
  checkBoolean('serveMetrics', options.serveMetrics);
  checkBoolean('compressTunnels', options.compressTunnels);
  checkInteger('tunnelGraceMs', tunnelGraceMs, { min: 0, max: maxTimerMs });
  checkInteger('handshakeMs', handshakeMs, { min: 100, max: maxTimerMs });
  if (origins === undefined) return;
  if (!Array.isArray(origins)) throw new SandboxValidationError('origins must be an array');
  const known: readonly unknown[] = origins;
  for (const [index, origin] of known.entries()) {
    if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).origin !== origin)
      refuse(
        `origins[${index}]`,
        "an origin as browsers say it, such as 'https://a.example'",
        origin,
      );
  }
}

/** Only this machine reaches it. */
export const defaultAddress = '127.0.0.1';
