import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeExactly } from '../../wire/codec.js';
import { TokenClaims } from '../../wire/generated/sandboxrx/v1/tokens.js';

/** How tokens begin that a host has made; the number is that of their form. */
const prefix = 'srx1.';

/**
 * Makes tokens that say themselves what they are for, and reads them again: `srx1.<claims>.<signature>`. What is signed is
 * the text, so no other text is a token. Who has no key can neither make one nor learn from it what the issuer's token is.
 */
export class TokenSeal {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(claims: TokenClaims): string {
    const said = `${prefix}${Buffer.from(TokenClaims.encode(claims).finish()).toString('base64url')}`;
    return `${said}.${this.#signatureOf(said)}`;
  }

  /** What a token says; `undefined` where it was not made with this key. */
  open(token: string): TokenClaims | undefined {
    const end = token.lastIndexOf('.');
    const said = token.slice(0, end);
    const isOurs = isSame(token.slice(end + 1), this.#signatureOf(said));
    if (!isOurs || !said.startsWith(prefix)) return undefined;
    return decodeExactly(TokenClaims, Buffer.from(said.slice(prefix.length), 'base64url'));
  }

  /** Stands for the token of an issuer, and tells nothing of it. */
  markOf(hash: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update('issuer').update(hash).digest();
  }

  #signatureOf(said: string): string {
    return createHmac('sha256', this.#key).update(said).digest('base64url');
  }
}

/** In the same time wherever they differ. */
function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
