import { isHeader } from '../connect-options.js';
import { readServerUrl } from '../server-url.js';

/** What the tunnel is spoken under. */
const subprotocol = 'sandbox-rx.v1';
/** Where a host has it. */
const tunnelPath = '/v1/tunnel';

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
 * What is asked for as subprotocols: among them the token, for a page can set no header, and URLs end up in logs.
 *
 * @throws Error where the token cannot be sent
 */
export function subprotocolsOf(token: string | undefined): string[] {
  if (token === undefined || token === '') return [subprotocol];
  if (!isHeader(token)) throw new Error('the token is no string of printable ASCII');
  const encoded = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return [subprotocol, `sandbox-rx.bearer.${encoded}`];
}
