import { SandboxError } from '../../../process/errors/sandbox-error.js';
import { checkText } from '../../../process/validate.js';
import {
  checkConnectOptions,
  checkToken,
  type ConnectOptions,
  type TokenOption,
} from '../connect-options.js';
import { tunnelBackend, type WebSocketBackend } from './tunnel-backend.js';
import { readTunnelUrl, subprotocolsOf } from './tunnel-target.js';
import { webSocketDial } from './web-socket-dial.js';

/** Options for {@link websocketBackend}. */
export interface WebSocketBackendOptions extends ConnectOptions {
  /**
   * `wss://host[:port]` or `ws://host[:port]`, or the host's own `https://` or `http://`. Without a path, it is
   * `/v1/tunnel`.
   */
  readonly url: string;
  /**
   * The bearer token, or a function that is asked for it at each connection. It travels as a subprotocol, never in the URL.
   * Give a page one that is short-lived, never the host's own. Default: none.
   */
  readonly token?: TokenOption;
}

/**
 * Sandboxes of a host of this library over the WebSocket of the runtime: of a browser, or of Node 22 and later. In Node
 * prefer the function of the same name of `sandbox-rx/node`, which is faster, runs on Node 20, and does not keep a program
 * going that has nothing more to do: with this one, call `close()`.
 *
 * All calls share one connection, made at the first of them. When it breaks, it is made again, and whatever was going on
 * goes on where it was: no byte is lost, none comes twice. Only when it does not come back within the host's grace
 * (60 seconds) or the host was started again, runs fail with a {@link ConnectionLostError}. The host has to allow the
 * origin of the page.
 *
 * @throws {@link SandboxValidationError} at once, for a bad option; {@link SandboxError} with the code
 * `ERR_BACKEND_UNAVAILABLE` where the runtime has no WebSocket.
 *
 * @example
 * ```ts
 * import { SandboxClient, websocketBackend } from 'sandbox-rx';
 *
 * const backend = websocketBackend({ url: 'wss://sandboxes.example', token: () => 'short-lived' });
 * backend.connection$.subscribe(({ state, latencyMs }) => console.log(state, latencyMs));
 * const sandbox = await new SandboxClient(backend).create();
 * console.log((await sandbox.exec(['uname', '-s'])).stdout);
 * await sandbox.delete();
 * backend.close();
 * ```
 */
export function websocketBackend(options: WebSocketBackendOptions): WebSocketBackend {
  checkWebSocketOptions(options);
  const { token } = options;
  const url = readTunnelUrl(options.url);
  if (!('WebSocket' in globalThis)) {
    const text = 'this runtime has no WebSocket; in Node use websocketBackend of sandbox-rx/node';
    throw new SandboxError('ERR_BACKEND_UNAVAILABLE', text);
  }
  const dial = webSocketDial(() => {
    return { url, protocols: subprotocolsOf(typeof token === 'function' ? token() : token) };
  });
  return tunnelBackend(options, { dial });
}

/** @throws SandboxValidationError */
export function checkWebSocketOptions(options: WebSocketBackendOptions): void {
  checkConnectOptions(options);
  checkText('url', options.url);
  checkToken(options.token);
}
