import { SandboxValidationError } from '../process/errors/errors.js';
import { CreateSandboxRequest } from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { HostSandbox } from './host-sandbox.js';

/** A creation that may be asked for again. */
interface Creation {
  readonly request: Uint8Array;
  readonly sandbox: HostSandbox;
}

/** The creations that had a request id: asked for again, they give the same sandbox. */
export class Creations {
  readonly #byRequestId: Map<string, Creation> = new Map();

  /** @throws SandboxValidationError where the id was another request's */
  once(
    request: CreateSandboxRequest,
    caller: string | undefined,
    create: () => HostSandbox,
  ): HostSandbox {
    if (request.requestId === '') return create();
    const bytes = CreateSandboxRequest.encode(request).finish();
    const before = this.#byRequestId.get(keyOf(request, caller));
    if (before !== undefined) {
      if (isSame(before.request, bytes)) return before.sandbox;
      throw new SandboxValidationError('request_id: it was that of another request');
    }
    const sandbox = create();
    this.remember(sandbox);
    return sandbox;
  }

  /** Until the sandbox is forgotten. */
  remember(sandbox: HostSandbox): void {
    const { request, owner } = sandbox;
    if (request.requestId === '') return;
    const key = keyOf(request, owner);
    this.#byRequestId.set(key, { request: CreateSandboxRequest.encode(request).finish(), sandbox });
    const forget = (): void => {
      this.#byRequestId.delete(key);
    };
    sandbox.forgotten.subscribe({ error: forget, complete: forget });
  }
}

/** Callers know nothing of each other's ids. */
function keyOf({ requestId }: CreateSandboxRequest, caller: string | undefined): string {
  return `${caller ?? ''}/${requestId}`;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
