import { readServerUrl, refusedUrl } from '../server-url.js';

/** Where a server is, read off its URL. */
export interface ServerAddress {
  /** `host:port`; an IPv6 address in brackets. */
  readonly address: string;
  readonly isSecure: boolean;
}

/** The service of CoreWeave. */
export const defaultBaseUrl = 'https://api.cwsandbox.com';

/**
 * Reads `https://host[:port]` or `http://host[:port]`: TLS, or plaintext HTTP/2, by default on ports 443 and 80.
 *
 * @throws SandboxValidationError
 */
export function readBaseUrl(text: string): ServerAddress {
  const { protocol, hostname, port, pathname, search, hash } = readServerUrl(text, [
    'https:',
    'http:',
  ]);
  if (`${pathname}${search}${hash}` !== '/') throw refusedUrl(text, 'it must have no path');
  const isSecure = protocol === 'https:';
  return { address: `${hostname}:${port || (isSecure ? '443' : '80')}`, isSecure };
}
