import { bearerOf, subprotocol, tunnelPath } from '../../../wire/tunnel/names.js';
import { isHeader } from '../connect-options.js';
import { readServerUrl } from '../server-url.js';

/**
 * Where the WebSocket of a server is: `ws` and `wss`, or the `http` and `https` of the host itself.
 *
 * @throws SandboxValidationError
 */
export function readTunnelUrl(text: string): string {
  const url = readServerUrl(text, ['wss:', 'ws:', 'https:', 'http:']);
  if (url.protocol.startsWith('http')) url.protocol = url.protocol.replace('http', 'ws');
  if (url.pathname === '/') url.pathname = tunnelPath;
  url.hash = '';
  return url.href;
}

/**
 * What is asked for as subprotocols: among them the token.
 *
 * @throws Error where the token cannot be sent
 */
export function subprotocolsOf(token: string | undefined): string[] {
  if (token === undefined || token === '') return [subprotocol];
  if (!isHeader(token)) throw new Error('the token is no string of printable ASCII');
  return [subprotocol, bearerOf(token)];
}
