import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { messageOf } from '../../../process/errors/message-of.js';
import { SandboxValidationError } from '../../../process/errors/errors.js';
import {
  checkInteger,
  checkRecord,
  checkText,
  maxTimerMs,
  refuse,
} from '../../../process/validate.js';
import type { SandboxBackend } from '../../../sandbox/backend.js';
import { RpcBackend } from '../rpc-backend.js';
import type { Runners } from '../runners.js';
import type { Templates } from '../templates.js';
import type { RpcMetadata } from '../rpc-transport.js';
import { defaultBaseUrl, readBaseUrl } from './base-url.js';
import type { ConnectionTarget } from './connection.js';
import { GrpcTransport } from './grpc-transport.js';

/** Certificates for a connection, as PEM. */
export interface GrpcTls {
  /** Whom to trust. Default: the certificate authorities that Node trusts. */
  readonly rootCertificates?: Uint8Array;
  /** Who we are, where the server wants to know it (mutual TLS); goes with `clientKey`. */
  readonly clientCertificate?: Uint8Array;
  readonly clientKey?: Uint8Array;
}

/** Options for {@link grpcBackend}. */
export interface GrpcBackendOptions {
  /**
   * `https://host[:port]`, or `http://host[:port]` for HTTP/2 without TLS. Default: the environment variable
   * `CWSANDBOX_BASE_URL`, or else `https://api.cwsandbox.com`.
   */
  readonly url?: string;
  /**
   * The bearer token, or a function that is asked for it at each call. Default: the environment variable
   * `CWSANDBOX_API_KEY`; where that is not set, no token is sent.
   */
  readonly token?: string | (() => string);
  readonly tls?: GrpcTls;
  /** Sent with each call. Keys are in lower case; a value of bytes needs a key that ends in `-bin`. */
  readonly metadata?: RpcMetadata;
  /** The image of sandboxes, for servers that have images. Default `python:3.11`. */
  readonly image?: string;
  /** Until when a call must be answered, in milliseconds; runs and logs may take as long as they like. Default 300000. */
  readonly requestTimeoutMs?: number;
  /**
   * How long a server that is not available for now is asked again to make a sandbox, or whether one is ready, or to go on
   * with a run under an id or a list that is watched, in milliseconds. Default 30000. A sandbox is made once however often it is asked for; where no
   * server is found at all, `create()` fails at once.
   */
  readonly retryBudgetMs?: number;
  /**
   * From one look at the list of sandboxes to the next, while somebody watches it, in milliseconds, where the server does not
   * tell what changes, as hosts of this library do. Default 1000.
   */
  readonly watchIntervalMs?: number;
  /**
   * Bytes that the server may send on a stream before they are read: what is in memory at most when a reader is slow,
   * and, divided by the round trip, the fastest that a stream can be. Default 8388608.
   */
  readonly windowBytes?: number;
  /**
   * How long a connection may take to come about before the calls that need it fail, in milliseconds. Default 20000.
   */
  readonly connectTimeoutMs?: number;
  /**
   * From one HTTP/2 ping to the next while calls go on, in milliseconds. Default 330000: servers of other makers cut
   * callers who ping more than once in five minutes. A host of this library pings by itself, and takes any; give 20000
   * there to hear of one that is dead within a minute.
   */
  readonly keepaliveMs?: number;
  /** How long a ping may stay unanswered before the connection counts as lost, in milliseconds. Default 40000. */
  readonly keepaliveTimeoutMs?: number;
}

/** A backend that reaches its sandboxes over a connection. */
export interface ConnectedBackend extends SandboxBackend {
  /** What the server runs its sandboxes on. */
  readonly runners: Runners;
  /** Specs that the server keeps, to make sandboxes of. */
  readonly templates: Templates;
  /** Ends what is going on, and lets go of the connection. Sandboxes stay. */
  close(): void;
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
  const transport = new GrpcTransport({
    address,
    credentials: credentialsOf(options, isSecure),
    metadata: metadataOf(options),
    ...channelOptions(options),
  });
  const {
    image = 'python:3.11',
    requestTimeoutMs = 300_000,
    retryBudgetMs = 30_000,
    watchIntervalMs = 1000,
  } = options;
  const config = { image, requestTimeoutMs, retryBudgetMs, watchIntervalMs };
  return Object.assign(new RpcBackend(transport, config), {
    close: () => {
      transport.close();
    },
  });
}

function channelOptions({
  windowBytes = 8_388_608,
  connectTimeoutMs = 20_000,
  keepaliveMs = 330_000,
  keepaliveTimeoutMs = 40_000,
}: GrpcBackendOptions): Omit<ConnectionTarget, 'address' | 'credentials'> {
  return { windowBytes, connectTimeoutMs, keepaliveMs, keepaliveTimeoutMs };
}

/** One that is set to nothing is as one that is not set. */
function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

function credentialsOf({ tls }: GrpcBackendOptions, isSecure: boolean): ChannelCredentials {
  if (!isSecure) {
    if (tls !== undefined) refuse('tls', 'left out where the url begins with http://', tls);
    return credentials.createInsecure();
  }
  const { rootCertificates, clientKey, clientCertificate } = tls ?? {};
  try {
    return credentials.createSsl(
      bufferOf(rootCertificates),
      bufferOf(clientKey),
      bufferOf(clientCertificate),
    );
  } catch (cause) {
    const why = messageOf(cause);
    throw new SandboxValidationError(`tls cannot be used: ${why}`, { cause });
  }
}

function bufferOf(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes);
}

function metadataOf({ token, metadata = {} }: GrpcBackendOptions): () => RpcMetadata {
  return () => {
    const bearer = typeof token === 'function' ? token() : (token ?? variable('CWSANDBOX_API_KEY'));
    return bearer === undefined || bearer === ''
      ? metadata
      : { authorization: `Bearer ${bearer}`, ...metadata };
  };
}

function checkOptions(options: GrpcBackendOptions): void {
  checkRecord('options', options);
  const { url, token, tls, metadata, image } = options;
  checkText('url', url);
  if (typeof token !== 'function') checkText('token', token);
  if (typeof token === 'string' && !isHeader(token))
    refuse('token', 'a string of printable ASCII', '(not shown)');
  checkText('image', image);
  if (metadata !== undefined) checkMetadata(metadata);
  if (tls !== undefined) checkTls(tls);
  checkInteger('requestTimeoutMs', options.requestTimeoutMs, { min: 1, max: maxTimerMs });
  checkInteger('retryBudgetMs', options.retryBudgetMs, { min: 0, max: maxTimerMs });
  checkInteger('watchIntervalMs', options.watchIntervalMs, { min: 10, max: maxTimerMs });
  checkInteger('connectTimeoutMs', options.connectTimeoutMs, { min: 1, max: maxTimerMs });
  checkInteger('keepaliveMs', options.keepaliveMs, { min: 1000, max: maxTimerMs });
  checkInteger('keepaliveTimeoutMs', options.keepaliveTimeoutMs, { min: 1000, max: maxTimerMs });
  checkInteger('windowBytes', options.windowBytes, { min: 65_535, max: 2 ** 31 - 1 });
}

function checkMetadata(metadata: RpcMetadata): void {
  checkRecord('metadata', metadata);
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[0-9a-z_.-]+$/.test(name) || name.startsWith('grpc-'))
      refuse('the names in metadata', "lower case, and not begin with 'grpc-'", name);
    const isBytes = name.endsWith('-bin');
    if (isBytes ? !(value instanceof Uint8Array) : !isHeader(value))
      refuse(`metadata.${name}`, isBytes ? 'a Uint8Array' : 'a string of printable ASCII', value);
  }
}

function isHeader(value: unknown): boolean {
  return typeof value === 'string' && /^[ -~]*$/.test(value);
}

function checkTls(tls: GrpcTls): void {
  checkRecord('tls', tls);
  for (const name of ['rootCertificates', 'clientCertificate', 'clientKey'] as const) {
    const value = tls[name];
    if (value !== undefined && !(value instanceof Uint8Array))
      refuse(`tls.${name}`, 'a Uint8Array of PEM', value);
  }
  if ((tls.clientKey === undefined) !== (tls.clientCertificate === undefined))
    refuse('tls.clientKey', 'given together with tls.clientCertificate', tls.clientKey);
}
