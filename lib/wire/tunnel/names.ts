import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';

/** Where a host has its tunnels. */
export const tunnelPath = '/v1/tunnel';

/** What the tunnel is spoken under: clients offer it, and are given it. */
export const subprotocol = 'sandbox-rx.v1';

/** A page can set no header, and URLs end up in logs: there the token is one more subprotocol, in base64url behind this. */
const bearer = 'sandbox-rx.bearer.';

/** The token of a client, as it is offered. */
export function bearerOf(token: string): string {
  return `${bearer}${base64Encode(new TextEncoder().encode(token), 'url')}`;
}

/** The token among the subprotocols that a client offers; empty where it cannot be read. */
export function tokenAmong(offered: readonly string[]): string | undefined {
  const sent = offered.find((name) => name.startsWith(bearer))?.slice(bearer.length);
  if (sent === undefined) return undefined;
  try {
    return new TextDecoder().decode(base64Decode(sent));
  } catch {
    return '';
  }
}
