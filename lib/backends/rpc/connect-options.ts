import {
  checkInteger,
  checkRecord,
  checkText,
  maxTimerMs,
  refuse,
} from '../../process/validate.js';
import type { SandboxBackend } from '../../sandbox/backend.js';
import { RpcBackend } from './rpc-backend.js';
import type { RpcMetadata, RpcTransport } from './rpc-transport.js';
import type { Runners } from './runners.js';
import type { Templates } from './templates.js';
import type { Tokens } from './tokens.js';

/** What is chosen alike on every way to a server. */
export interface ConnectOptions {
  /** Sent with each call. Keys are in lower case; a value of bytes needs a key that ends in `-bin`. */
  readonly metadata?: RpcMetadata;
  /** The image of sandboxes, for servers that have images. Default `python:3.11`. */
  readonly image?: string;
  /** Until when a call must be answered, in milliseconds; runs and logs may take as long as they like. Default 300000. */
  readonly requestTimeoutMs?: number;
  /**
   * How long a server that is not available for now is asked again to make a sandbox, or whether one is ready, or to go on
   * with a run under an id or a list that is watched, in milliseconds. Default 30000. A sandbox is made once however often
   * it is asked for; where no server is found at all, `create()` fails at once.
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
}

/** The bearer token, or a function that gives it. */
export type TokenOption = string | (() => string);

/** A backend that reaches its sandboxes over a connection. */
export interface ConnectedBackend extends SandboxBackend {
  /** What the server runs its sandboxes on. */
  readonly runners: Runners;
  /** Specs that the server keeps, to make sandboxes of. */
  readonly templates: Templates;
  /** Tokens that a host of this library makes for a while, to give away. */
  readonly tokens: Tokens;
  /** Ends what is going on, and lets go of the connection. Sandboxes stay. */
  close(): void;
}

/** The sandboxes of a server, over what carries calls to it. */
export function connectedBackend(
  transport: RpcTransport,
  {
    image = 'python:3.11',
    requestTimeoutMs = 300_000,
    retryBudgetMs = 30_000,
    watchIntervalMs = 1000,
  }: ConnectOptions,
): ConnectedBackend {
  const config = { image, requestTimeoutMs, retryBudgetMs, watchIntervalMs };
  return Object.assign(new RpcBackend(transport, config), {
    close: () => {
      transport.close();
    },
  });
}

/** How much a stream may be sent ahead, and how long a connection may take, where nothing else is said. */
export function linkDefaults({
  windowBytes = 8_388_608,
  connectTimeoutMs = 20_000,
}: ConnectOptions): {
  readonly windowBytes: number;
  readonly connectTimeoutMs: number;
} {
  return { windowBytes, connectTimeoutMs };
}

/** @throws SandboxValidationError */
export function checkConnectOptions(options: ConnectOptions): void {
  checkRecord('options', options);
  const { metadata, image } = options;
  checkText('image', image);
  if (metadata !== undefined) checkMetadata(metadata);
  checkInteger('requestTimeoutMs', options.requestTimeoutMs, { min: 1, max: maxTimerMs });
  checkInteger('retryBudgetMs', options.retryBudgetMs, { min: 0, max: maxTimerMs });
  checkInteger('watchIntervalMs', options.watchIntervalMs, { min: 10, max: maxTimerMs });
  checkInteger('connectTimeoutMs', options.connectTimeoutMs, { min: 1, max: maxTimerMs });
  checkInteger('windowBytes', options.windowBytes, { min: 65_535, max: 2 ** 31 - 1 });
}

/** A token travels in a header; it is not shown, for errors may be logged. */
export function checkToken(token: TokenOption | undefined): void {
  if (typeof token === 'function') return;
  checkText('token', token);
  if (token !== undefined && !isHeader(token))
    refuse('token', 'a string of printable ASCII', '(not shown)');
}

/** What can be the value of a header. */
export function isHeader(value: unknown): value is string {
  return typeof value === 'string' && /^[ -~]*$/.test(value);
}

function checkMetadata(metadata: RpcMetadata): void {
  checkRecord('metadata', metadata);
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[0-9a-z_.-]+$/.test(name) || name.startsWith('grpc-'))
      refuse('the names in metadata', "lower case, and not begin with 'grpc-'", name);
    const isBytes = name.endsWith('-bin');
    if (isBytes ? value instanceof Uint8Array : isHeader(value)) continue;
    // It may be a token.
    const expected = isBytes ? 'a Uint8Array' : 'a string of printable ASCII';
    refuse(`metadata.${name}`, expected, '(not shown)');
  }
}
