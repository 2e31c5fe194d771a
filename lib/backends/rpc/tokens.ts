import { defer, map, type Observable } from 'rxjs';
import {
  checkBoolean,
  checkInteger,
  checkRecord,
  maxTimerMs,
  refuse,
  requireText,
} from '../../process/validate.js';
import { createToken } from './methods.js';
import { naming } from './naming.js';
import type { RpcTransport } from './rpc-transport.js';

/** What a token shall be for. */
export interface TokenScope {
  /** Whether its bearer may only look: list, ask for, read files and output. Default `false`. */
  readonly readOnly?: boolean;
  /** The only sandbox that its bearer reaches; it must be there. Default: all that the backend's own token reaches. */
  readonly sandboxId?: string;
  /** How long it is good for, in milliseconds. Default: as the host has it, which is 15 minutes unless it was told otherwise. */
  readonly ttlMs?: number;
}

/** A token that a host has made. */
export interface ScopedToken {
  /** What its bearer gives as `token`. */
  readonly token: string;
  /** What its bearer is called in the host's log: the name of the token that it was made with, `/` and an id. */
  readonly name: string;
  /**
   * From then on calls are refused, in milliseconds since 1970. Over gRPC, what began before goes on. A tunnel is closed;
   * with another token for the same, it goes on where it was.
   */
  readonly expiresAtMs: number;
}

/**
 * Tokens that can be given away, such as to a page in a browser: for a while, to look only, for one sandbox. They count as
 * the token that the backend has, never as that of an admin, and make no others.
 *
 * @example
 * ```ts
 * import { grpcBackend } from 'sandbox-rx/node';
 *
 * const { tokens } = grpcBackend({ url: 'http://localhost:50051', token: 'secret' });
 * tokens
 *   .create({ readOnly: true, sandboxId: 'build-7', ttlMs: 600_000 })
 *   .subscribe(({ token }) => console.log(token));
 * ```
 */
export interface Tokens {
  /**
   * Has a token made, and emits it: a cold Observable, so each subscription makes another one. Errors with
   * `ERR_NOT_FOUND` where there is no such sandbox, `ERR_VALIDATION` where the host makes none for so long,
   * `ERR_PERMISSION` where the backend's own token is such a one, and with an {@link UnsupportedError} where the server is
   * no host of this library, or wants no tokens.
   *
   * @throws {@link SandboxValidationError} at once, for a bad scope.
   */
  create(scope?: TokenScope): Observable<ScopedToken>;
}

/** The tokens of the host behind a transport. */
export class RpcTokens implements Tokens {
  readonly #transport: RpcTransport;
  readonly #timeoutMs: number;

  constructor(transport: RpcTransport, timeoutMs: number) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
  }

  create(scope: TokenScope = {}): Observable<ScopedToken> {
    checkScope(scope);
    const { readOnly = false, sandboxId = '', ttlMs = 0 } = scope;
    const request = { readOnly, sandboxId, ttlMs: BigInt(ttlMs) };
    const options = {
      timeoutMs: this.#timeoutMs,
      ...(sandboxId !== '' && { subject: { sandboxId } }),
    };
    return defer(() => this.#transport.call(createToken, request, options)).pipe(
      naming('tokens'),
      map(({ message: { token, name, expiresAtMs } }) => ({
        ...{ token, name, expiresAtMs: Number(expiresAtMs) },
      })),
    );
  }
}

/** One for no sandbox at all would be one for every sandbox. */
function checkScope(scope: TokenScope): void {
  checkRecord('scope', scope);
  checkBoolean('readOnly', scope.readOnly);
  checkInteger('ttlMs', scope.ttlMs, { min: 1, max: maxTimerMs });
  if (!('sandboxId' in scope)) return;
  requireText('sandboxId', scope.sandboxId);
  if (scope.sandboxId === '') refuse('sandboxId', 'the id of a sandbox', '');
}
