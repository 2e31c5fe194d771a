import { createHash, timingSafeEqual } from 'node:crypto';
import { SandboxValidationError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { checkBoolean, checkRecord, requireText } from '../../process/validate.js';
import { GrpcCode } from '../../wire/grpc-code.js';

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
export interface Caller {
  /** The name of the caller's token, where the host wants tokens. */
  readonly caller: string | undefined;
  /** Whether the caller may do what concerns others. Where a host wants no tokens, everybody may. */
  readonly isAdmin: boolean;
}

/** The tokens of a host, as it keeps them: their hashes. */
export class Tokens {
  readonly #known: readonly (Caller & { readonly hash: Buffer })[];

  constructor(tokens: readonly HostToken[]) {
    this.#known = tokens.map(({ name: caller, token, admin: isAdmin = false }) => ({
      ...{ caller, isAdmin, hash: hashOf(token) },
    }));
  }

  /**
   * Whose token a call came with.
   *
   * @throws SandboxError with code `ERR_PERMISSION` (UNAUTHENTICATED) where it is missing or not known.
   */
  verify(authorization: string | undefined): Caller {
    if (this.#known.length === 0) return { caller: undefined, isAdmin: true };
    const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) {
      throw unauthenticated('this host wants a token: send `authorization: Bearer <token>`');
    }
    // All are looked at, each in the same time whatever it has in common with the one that was sent.
    const hash = hashOf(token);
    const [found] = this.#known.filter((known) => timingSafeEqual(known.hash, hash));
    if (found === undefined) throw unauthenticated('the token is not one that this host knows');
    return found;
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function unauthenticated(message: string): SandboxError {
  const remote = { grpcCode: GrpcCode.UNAUTHENTICATED, reason: 'SANDBOXRX_UNAUTHENTICATED' };
  return new SandboxError('ERR_PERMISSION', message, { remote });
}
