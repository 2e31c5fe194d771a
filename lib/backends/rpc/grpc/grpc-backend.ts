import { checkInteger, checkText, maxTimerMs, refuse } from '../../../process/validate.js';
import {
  checkConnectOptions,
  checkToken,
  connectedBackend,
  linkDefaults,
  type ConnectedBackend,
  type ConnectOptions,
  type TokenOption,
} from '../connect-options.js';
import { tokenNow, variable } from '../node/environment.js';
import { checkTls, type GrpcTls } from '../node/tls.js';
import type { RpcMetadata } from '../rpc-transport.js';
import { defaultBaseUrl, readBaseUrl } from './base-url.js';
import type { ConnectionTarget } from './connection.js';
import { LazyTransport } from './lazy-transport.js';

/** Options for {@link grpcBackend}. */
export interface GrpcBackendOptions extends ConnectOptions {
  /**
   * `https://host[:port]`, or `http://host[:port]` for HTTP/2 without TLS. Default: the environment variable
   * `CWSANDBOX_BASE_URL`, or else `https://api.cwsandbox.com`.
   */
  readonly url?: string;
  /**
   * The bearer token, or a function that is asked for it at each call. Default: the environment variable
   * `CWSANDBOX_API_KEY`; where that is not set, no token is sent.
   */
  readonly token?: TokenOption;
  readonly tls?: GrpcTls;
  /**
   * From one HTTP/2 ping to the next while calls go on, in milliseconds. Default 330000: servers of other makers cut
   * callers who ping more than once in five minutes. A host of this library pings by itself, and takes any; give 20000
   * there to hear of one that is dead within a minute.
   */
  readonly keepaliveMs?: number;
  /** How long a ping may stay unanswered before the connection counts as lost, in milliseconds. Default 40000. */
  readonly keepaliveTimeoutMs?: number;
}

/**
 * Sandboxes of a server that speaks `coreweave.sandbox.v1` over gRPC: CoreWeave Sandbox, or a host of this library.
 *
 * The API has no calls to send signals, and none to attach to runs and to start one under an id; a host of this library
 * has them. Another server's want of them is told by an `UnsupportedError` that names the capability. There a run under an
 * id also outlives a broken connection: it is taken up again without losing or repeating a byte.
 *
 * @throws {@link SandboxValidationError} at once, for a bad option.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { grpcBackend } from 'sandbox-rx/node';
 *
 * const client = new SandboxClient(grpcBackend({ url: 'http://localhost:50051', token: 'secret' }));
 * const sandbox = await client.create();
 * console.log((await sandbox.exec(['uname', '-s'])).stdout);
 * await sandbox.delete();
 * ```
 */
export function grpcBackend(options: GrpcBackendOptions = {}): ConnectedBackend {
  checkOptions(options);
  const { url = variable('CWSANDBOX_BASE_URL') ?? defaultBaseUrl } = options;
  const { address, isSecure } = readBaseUrl(url);
  if (options.tls !== undefined && !isSecure)
    refuse('tls', 'left out where the url begins with http://', options.tls);
  const target = {
    address,
    metadata: metadataOf(options),
    ...(isSecure && { tls: options.tls ?? {} }),
    ...channelOptions(options),
  };
  // A program that makes no call over gRPC does not pay for grpc-js, in memory and time.
  const transport = new LazyTransport('grpc', async () => {
    const { GrpcTransport } = await import('./grpc-transport.js');
    return new GrpcTransport(target);
  });
  return connectedBackend(transport, options);
}

function channelOptions(options: GrpcBackendOptions): Omit<ConnectionTarget, 'address' | 'tls'> {
  const { keepaliveMs = 330_000, keepaliveTimeoutMs = 40_000 } = options;
  return { ...linkDefaults(options), keepaliveMs, keepaliveTimeoutMs };
}

function metadataOf({ token, metadata = {} }: GrpcBackendOptions): () => RpcMetadata {
  return () => {
    const bearer = tokenNow(token);
    return bearer === undefined ? metadata : { authorization: `Bearer ${bearer}`, ...metadata };
  };
}

function checkOptions(options: GrpcBackendOptions): void {
  checkConnectOptions(options);
  const { url, token, tls } = options;
  checkText('url', url);
  checkToken(token);
  if (tls !== undefined) checkTls(tls);
  checkInteger('keepaliveMs', options.keepaliveMs, { min: 1000, max: maxTimerMs });
  checkInteger('keepaliveTimeoutMs', options.keepaliveTimeoutMs, { min: 1000, max: maxTimerMs });
}
