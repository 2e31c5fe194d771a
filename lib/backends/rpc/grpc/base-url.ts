import { SandboxValidationError } from '../../../process/errors/errors.js';

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
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refused(text, 'it must begin with https:// or http://');
  }
  const { protocol, hostname, port, username, password } = url;
  if (username !== '' || password !== '') {
    // Which is not repeated, for it may be logged.
    throw refused(url.origin, 'give credentials as `token`, not in the URL');
  }
  if (`${url.pathname}${url.search}${url.hash}` !== '/')
    throw refused(text, 'it must have no path');
  const isSecure = protocol === 'https:';
  return { address: `${hostname}:${port || (isSecure ? '443' : '80')}`, isSecure };
}

function refused(text: string, why: string): SandboxValidationError {
  return new SandboxValidationError(`url cannot be ${JSON.stringify(text)}: ${why}`);
}
