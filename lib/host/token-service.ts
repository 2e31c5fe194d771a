import { defer, of, type Observable } from 'rxjs';
import type {
  CreateTokenRequest,
  CreateTokenResponse,
} from '../wire/generated/sandboxrx/v1/tokens.js';
import type { Tokens } from './auth/tokens.js';
import { checkId } from './bad-field.js';
import type { CallContext } from './call.js';
import type { Logger } from './logger.js';
import type { Sandboxes } from './sandboxes.js';

/** What the service needs. */
interface TokenParts {
  readonly tokens: Tokens;
  readonly sandboxes: Sandboxes;
  readonly logger: Logger;
}

/** TokenService: tokens for a while, which can do no more than their caller's. */
export class TokenService {
  readonly #parts: TokenParts;

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  create(request: CreateTokenRequest, context: CallContext): Observable<CreateTokenResponse> {
    return defer(() => {
      const { tokens, sandboxes, logger } = this.#parts;
      const { readOnly, sandboxId, ttlMs } = request;
      checkId('sandbox_id', sandboxId);
      if (sandboxId !== '') sandboxes.get(sandboxId);
      const { token, scope } = tokens.make(context, {
        ...{ readOnly, sandboxId, ttlMs: Number(ttlMs) },
      });
      const { name, expiresAtMs } = scope;
      logger.info({ token: context.caller, ...scope }, 'token made');
      return of({ token, name, expiresAtMs: BigInt(expiresAtMs) });
    });
  }
}
