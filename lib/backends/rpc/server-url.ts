import { SandboxValidationError } from '../../process/errors/errors.js';

/**
 * Reads where a server is. Credentials have no place there.
 *
 * @throws SandboxValidationError
 */
export function readServerUrl(text: string, protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol)) {
    const words = protocols.map((protocol) => `${protocol}//`).join(' or ');
    throw refusedUrl(text, `it must begin with ${words}`);
  }
  if (url.username !== '' || url.password !== '') {
    // Which is not repeated, for it may be logged.
    throw refusedUrl(url.host, 'give credentials as `token`, not in the URL');
  }
  return url;
}

export function refusedUrl(text: string, why: string): SandboxValidationError {
  return new SandboxValidationError(`url cannot be ${JSON.stringify(text)}: ${why}`);
}
