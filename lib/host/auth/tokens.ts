import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { SandboxValidationError, UnsupportedError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { newId } from '../../process/new-id.js';
import { checkBoolean, checkRecord, requireText } from '../../process/validate.js';
import { withDefaults } from '../../process/with-defaults.js';
import type { TokenClaims } from '../../wire/generated/sandboxrx/v1/tokens.js';
import { GrpcCode } from '../../wire/grpc-code.js';
import { badField } from '../bad-field.js';
import { usualTtls, type ScopedTokenOptions } from './scoped-token-options.js';
import type { Scope, Scoped } from './scope.js';
import { TokenSeal } from './token-seal.js';

/** A bearer token that a host accepts. */
export interface HostToken {
  /** What its bearer is called in logs and metrics: letters, digits, `.`, `_` and `-`, at most 64. */
  readonly name: string;
  /** What callers send as `authorization: Bearer <token>`: visible ASCII without spaces. */
  readonly token: string;
  /** Whether its bearer may write templates, see deleted ones, and purge the sandboxes of others. Default `false`. */
  readonly admin?: boolean;
}

/**
 * Reads tokens of a file or an environment variable: one `name:token` a line, with ` admin` behind it for those who
 * administer. Empty lines and those that begin with `#` say nothing.
 *
 * @throws {@link SandboxValidationError} for a line of another form, and for a name or a token that comes twice. It tells
 * the number of the line, never its text.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { Host, readTokens } from 'sandbox-rx/host';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const tokens = readTokens(readFileSync('/etc/sandbox-rx/tokens', 'utf8'));
 * const host = new Host(localBackend(), { tokens });
 * ```
 */
export function readTokens(text: string): readonly HostToken[] {
  const tokens: HostToken[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const at = entry.indexOf(':');
    const [, token = '', admin] = /^\s*(.*?)(\s+admin)?$/.exec(entry.slice(at + 1)) ?? [];
    const name = entry.slice(0, Math.max(at, 0)).trim();
    tokens.push({ name, token, ...(admin !== undefined && { admin: true }) });
    checkToken(`line ${index + 1} of the tokens`, tokens.at(-1));
  }
  checkTokens(tokens);
  return tokens;
}

/** Refuses what is no list of tokens; `undefined` passes. @throws SandboxValidationError */
export function checkTokens(tokens: unknown): void {
  if (tokens === undefined) return;
  if (!Array.isArray(tokens)) throw new SandboxValidationError('tokens must be an array');
  for (const [index, token] of tokens.entries()) checkToken(`tokens[${index}]`, token);
  const known = tokens as readonly HostToken[];
  for (const key of ['name', 'token'] as const) {
    if (new Set(known.map((token) => token[key])).size < known.length)
      throw new SandboxValidationError(`tokens: a ${key} comes twice; each needs its own`);
  }
}

/** Its messages must not show the token, nor a line that may be one. */
function checkToken(where: string, value: unknown): void {
  checkRecord(where, value);
  const { name, token, admin } = { name: undefined, token: undefined, admin: undefined, ...value };
  checkBoolean(`${where}: admin`, admin);
  requireText(`${where}: the name`, name);
  if (!/^[\w.-]{1,64}$/.test(name)) {
    const text = `${where}: it is name:token, with a name of 1 to 64 letters, digits, '.', '_' or '-'`;
    throw new SandboxValidationError(text);
  }
  if (typeof token !== 'string' || !/^[!-~]+$/.test(token)) {
    const text = `${where}: the token must be visible ASCII characters without a space`;
    throw new SandboxValidationError(text);
  }
}

/** Who makes a call. */
export interface Caller extends Scoped {
  /**
   * The name of the caller's token, where the host wants tokens. A token that was made by another counts as that one: for
   * limits, and in whose name something is made.
   */
  readonly caller: string | undefined;
  /** Whether the caller may do what concerns others. Where a host wants no tokens, everybody may. */
  readonly isAdmin: boolean;
}

/** What a token shall be for. */
export interface WantedScope extends Pick<Scope, 'readOnly' | 'sandboxId'> {
  /** How long, in milliseconds; 0: as long as usual. */
  readonly ttlMs: number;
}

/** How {@link Tokens} makes tokens. */
export interface TokensConfig extends ScopedTokenOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A token that the host was given. */
interface KnownToken extends Caller {
  readonly hash: Buffer;
  readonly mark: Buffer;
}

/** The tokens of a host, as it keeps them: their hashes. Those that it makes itself it does not keep. */
export class Tokens {
  readonly #known: readonly KnownToken[];
  readonly #seal: TokenSeal;
  readonly #ttls: Required<Omit<ScopedTokenOptions, 'key'>>;
  readonly #now: () => number;

  constructor(
    tokens: readonly HostToken[],
    { key = randomBytes(32), now = Date.now, ...ttls }: TokensConfig = {},
  ) {
    this.#seal = new TokenSeal(key);
    this.#ttls = withDefaults(usualTtls, ttls);
    this.#now = now;
    this.#known = tokens.map(({ name: caller, token, admin: isAdmin = false }) => {
      const hash = hashOf(token);
      return { caller, isAdmin, scope: undefined, hash, mark: this.#seal.markOf(hash) };
    });
  }

  /**
   * Whose token a call came with.
   *
   * @throws SandboxError with code `ERR_PERMISSION` (UNAUTHENTICATED) where it is missing, not known or expired.
   */
  verify(authorization: string | undefined): Caller {
    if (this.#known.length === 0) return { caller: undefined, isAdmin: true, scope: undefined };
    const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) {
      throw unauthenticated('this host wants a token: send `authorization: Bearer <token>`');
    }
    // All are looked at, each in the same time whatever it has in common with the one that was sent.
    const hash = hashOf(token);
    const [found] = this.#known.filter((known) => timingSafeEqual(known.hash, hash));
    const caller = found ?? this.#made(token);
    if (caller === undefined) throw unauthenticated('the token is not one that this host knows');
    return caller;
  }

  /**
   * Makes a token that counts as its issuer's, and can do no more.
   *
   * @throws UnsupportedError where the host wants no tokens
   * @throws SandboxValidationError where it would be good for too long
   */
  make({ caller: issuer }: Caller, wanted: WantedScope): { token: string; scope: Scope } {
    const known = this.#known.find(({ caller }) => caller === issuer);
    if (known === undefined || issuer === undefined) {
      const text = 'this host wants no tokens: whoever can connect to it may do everything';
      throw new UnsupportedError('tokens', text);
    }
    const { readOnly, sandboxId = '' } = wanted;
    const claims = {
      ...{ id: newId().slice(0, 8), issuer, issuerMark: known.mark, readOnly, sandboxId },
      expiresAtMs: BigInt(this.#now() + this.#ttlOf(wanted)),
    };
    return { token: this.#seal.seal(claims), scope: scopeOf(claims) };
  }

  #ttlOf({ ttlMs }: WantedScope): number {
    const { maxTtlMs } = this.#ttls;
    if (ttlMs > maxTtlMs) throw badField('ttl_ms', `give at most ${maxTtlMs}`);
    return ttlMs === 0 ? Math.min(this.#ttls.ttlMs, maxTtlMs) : ttlMs;
  }

  /** The caller with a token that this host has made, or another one with its key. */
  #made(token: string): Caller | undefined {
    const claims = this.#seal.open(token);
    // An issuer whose token is taken away, or replaced, takes those along that it made.
    const issuer = this.#known.find(
      ({ caller, mark }) =>
        claims !== undefined && caller === claims.issuer && mark.equals(claims.issuerMark),
    );
    if (claims === undefined || issuer === undefined) return undefined;
    const scope = scopeOf(claims);
    if (this.#now() >= scope.expiresAtMs) {
      throw unauthenticated('the token has expired: ask for a new one', 'SANDBOXRX_TOKEN_EXPIRED');
    }
    return { caller: issuer.caller, isAdmin: false, scope };
  }
}

function scopeOf({ issuer, id, sandboxId, ...claims }: TokenClaims): Scope {
  return {
    ...{ name: `${issuer}/${id}`, readOnly: claims.readOnly },
    sandboxId: sandboxId === '' ? undefined : sandboxId,
    expiresAtMs: Number(claims.expiresAtMs),
  };
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function unauthenticated(message: string, reason = 'SANDBOXRX_UNAUTHENTICATED'): SandboxError {
  const remote = { grpcCode: GrpcCode.UNAUTHENTICATED, reason };
  return new SandboxError('ERR_PERMISSION', message, { remote });
}
