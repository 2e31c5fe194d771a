import { SandboxValidationError } from '../process/errors/errors.js';
import { CreateSandboxRequest } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { HostSandbox } from './sandboxes.js';

/** A creation that may be asked for again. */
interface Creation {
  readonly request: Uint8Array;
  readonly sandbox: HostSandbox;
}

/** The creations that had a request id: asked for again, they give the same sandbox. */
export class Creations {
  readonly #byRequestId: Map<string, Creation> = new Map();

  /** Callers know nothing of each other's ids. @throws SandboxValidationError where the id was another request's */
  once(
    request: CreateSandboxRequest,
    caller: string | undefined,
    create: () => HostSandbox,
  ): HostSandbox {
    if (request.requestId === '') return create();
    const requestId = `${caller ?? ''}/${request.requestId}`;
    const bytes = CreateSandboxRequest.encode(request).finish();
    const before = this.#byRequestId.get(requestId);
    if (before !== undefined) {
      if (isSame(before.request, bytes)) return before.sandbox;
      throw new SandboxValidationError('request_id: it was that of another request');
    }
    const sandbox = create();
    this.#byRequestId.set(requestId, { request: bytes, sandbox });
    const forget = (): void => {
      this.#byRequestId.delete(requestId);
    };
    sandbox.forgotten.subscribe({ error: forget, complete: forget });
    return sandbox;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
