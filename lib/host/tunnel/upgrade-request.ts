import type { IncomingMessage } from 'node:http';

/** What clients of the tunnel offer, and are given. */
export const subprotocol = 'sandbox-rx.v1';

/** A browser can set no header: there the token is one more subprotocol, in base64url behind this. */
const bearer = 'sandbox-rx.bearer.';

/** What a request for a tunnel says. */
export interface UpgradeRequest {
  /** Whether the client speaks the tunnel's version. */
  readonly isKnown: boolean;
  /** As the header's value: `Bearer <token>`. A URL is not looked at, for it ends up in logs. */
  readonly authorization: string | undefined;
  /** Browsers say it of the page that asks, and pages cannot change it. */
  readonly origin: string | undefined;
}

export function upgradeRequestOf({ headers }: IncomingMessage): UpgradeRequest {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const sent = offered.find((name) => name.startsWith(bearer))?.slice(bearer.length);
  const token = sent === undefined ? undefined : Buffer.from(sent, 'base64url').toString();
  return {
    isKnown: offered.includes(subprotocol),
    authorization: token === undefined ? headers.authorization : `Bearer ${token}`,
    origin: headers.origin,
  };
}
