import type { ClientOptions } from 'ws';
import { checkRecord, refuse } from '../../../process/validate.js';
import { maxPacketBytes, limitsOf } from '../../../wire/tunnel/limits.js';
import { isHeader, type TokenOption } from '../connect-options.js';
import { tokenNow } from '../node/environment.js';
import { checkTls, pemsOf, type GrpcTls } from '../node/tls.js';
import { tunnelBackend, tunnelLimits, type WebSocketBackend } from '../tunnel/tunnel-backend.js';
import { readTunnelUrl, subprotocolsOf } from '../tunnel/tunnel-target.js';
import {
  checkWebSocketOptions,
  type WebSocketBackendOptions,
} from '../tunnel/websocket-backend.js';
import { unheldScheduler } from './unheld-scheduler.js';
import type { WsTarget } from './ws-dial.js';
import { lazyDial } from './lazy-dial.js';

/** Options for {@link websocketBackend} in Node. */
export interface WsBackendOptions extends WebSocketBackendOptions {
  /**
   * The bearer token, or a function that is asked for it at each connection. It travels as a subprotocol, never in the URL.
   * Default: the environment variable `CWSANDBOX_API_KEY`; where that is not set, no token is sent.
   */
  readonly token?: TokenOption;
  readonly tls?: GrpcTls;
  /** More headers of the request for the WebSocket, where something on the way wants them. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Sandboxes of a host of this library over a WebSocket, made by `ws`; faster with `bufferutil` installed.
 *
 * All calls share one connection, made at the first of them. When it breaks, it is made again, and whatever was going on
 * goes on where it was: no byte is lost, none comes twice. Only when it does not come back within the host's grace
 * (60 seconds) or the host was started again, runs fail with a {@link ConnectionLostError}.
 *
 * It keeps a program going as long as calls are open. Where the connection is lost, it does so until the host has heard of
 * those that were given up meanwhile, or its grace is over: `close()` ends that.
 *
 * @throws {@link SandboxValidationError} at once, for a bad option.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { websocketBackend } from 'sandbox-rx/node';
 *
 * const backend = websocketBackend({ url: 'ws://localhost:50051', token: 'secret' });
 * const sandbox = await new SandboxClient(backend).create();
 * console.log((await sandbox.exec(['uname', '-s'])).stdout);
 * await sandbox.delete();
 * backend.close();
 * ```
 */
export function websocketBackend(options: WsBackendOptions): WebSocketBackend {
  checkWebSocketOptions(options);
  const url = readTunnelUrl(options.url);
  const wsOptions = wsOptionsOf(options, url.startsWith('wss:'));
  const target: WsTarget = () => {
    return { url, protocols: subprotocolsOf(tokenNow(options.token)), options: wsOptions };
  };
  const dial = lazyDial(async () => (await import('./ws-dial.js')).wsDial(target));
  return tunnelBackend(options, { dial, scheduler: unheldScheduler });
}

function wsOptionsOf(options: WsBackendOptions, isSecure: boolean): ClientOptions {
  const { tls, headers } = options;
  if (headers !== undefined) checkHeaders(headers);
  if (tls !== undefined) {
    if (!isSecure) refuse('tls', 'left out where the url begins with ws:// or http://', tls);
    checkTls(tls);
  }
  const maxPayload = maxPacketBytes(limitsOf(tunnelLimits(options)));
  return { maxPayload, ...(headers !== undefined && { headers }), ...pemsOf(tls ?? {}) };
}

function checkHeaders(headers: Readonly<Record<string, string>>): void {
  checkRecord('headers', headers);
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\w-]+$/.test(name)) refuse('the names in headers', 'names of headers', name);
    if (!isHeader(value)) refuse(`headers.${name}`, 'a string of printable ASCII', '(not shown)');
  }
}
