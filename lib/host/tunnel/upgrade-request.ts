import type { IncomingMessage } from 'node:http';
import { subprotocol, tokenAmong } from '../../wire/tunnel/names.js';

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
  const token = tokenAmong(offered);
  return {
    isKnown: offered.includes(subprotocol),
    authorization: token === undefined ? headers.authorization : `Bearer ${token}`,
    origin: headers.origin,
  };
}
