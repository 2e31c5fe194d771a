import type { AsyncSubject } from 'rxjs';
import type { Codec } from '../wire/codec.js';
import { badField, checkId } from './bad-field.js';

/** What a request made. */
interface Made<Request> {
  readonly request: Request;
  /** The name of the token of whoever asked, where the host wants tokens. */
  readonly owner: string | undefined;
  /** Completes when it can no longer be asked for. */
  readonly forgotten: AsyncSubject<void>;
}

/** What requests with an id made: asked for again, they give the same. */
export class Creations<Request extends { readonly requestId: string }, T extends Made<Request>> {
  readonly #codec: Codec<Request>;
  readonly #byRequestId: Map<string, { readonly bytes: Uint8Array; readonly made: T }> = new Map();

  constructor(codec: Codec<Request>) {
    this.#codec = codec;
  }

  /** @throws SandboxValidationError where the id was another request's */
  once(request: Request, caller: string | undefined, make: () => T): T {
    const { requestId } = request;
    checkId('request_id', requestId);
    if (requestId === '') return make();
    const before = this.#byRequestId.get(keyOf(requestId, caller));
    if (before !== undefined) {
      checkSame(before.bytes, this.#codec.encode(request).finish());
      return before.made;
    }
    const made = make();
    this.remember(made);
    return made;
  }

  /** Until it is forgotten. */
  remember(made: T): void {
    const { request, owner, forgotten } = made;
    if (request.requestId === '') return;
    const key = keyOf(request.requestId, owner);
    this.#byRequestId.set(key, { bytes: this.#codec.encode(request).finish(), made });
    const forget = (): void => {
      this.#byRequestId.delete(key);
    };
    forgotten.subscribe({ error: forget, complete: forget });
  }
}

/** Callers know nothing of each other's ids. */
function keyOf(requestId: string, caller: string | undefined): string {
  return `${caller ?? ''}/${requestId}`;
}

/** Compares the encodings of two requests with one id. @throws SandboxValidationError where they differ */
export function checkSame(before: Uint8Array, again: Uint8Array): void {
  const isSame =
    before.length === again.length && before.every((byte, index) => byte === again[index]);
  if (!isSame) throw badField('request_id', 'it was that of another request');
}
