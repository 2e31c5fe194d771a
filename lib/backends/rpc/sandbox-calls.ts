import { map, type Observable } from 'rxjs';
import {
  DeleteSandboxRequest,
  ListSandboxesRequest,
  State,
  type CreateSandboxRequest,
  type ListSandboxesResponse,
  Sandbox,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { allPages } from './all-pages.js';
import { askedOnce } from './asked-once.js';
import { createSandbox, deleteSandbox, getSandbox, listSandboxes } from './methods.js';
import { polled, pollTimeoutMs, withRetryBudget } from './polling.js';
import type { RpcMethod } from './rpc-method.js';
import type { Answer, CallOptions, RpcMetadata, RpcTransport } from './rpc-transport.js';

/** How long calls about sandboxes may take. */
interface SandboxCallsConfig {
  readonly requestTimeoutMs: number;
  readonly retryBudgetMs: number;
}

/** The calls that make, find and end sandboxes. */
export class SandboxCalls {
  readonly #transport: RpcTransport;
  readonly #config: SandboxCallsConfig;

  constructor(transport: RpcTransport, config: SandboxCallsConfig) {
    this.#transport = transport;
    this.#config = config;
  }

  create(request: CreateSandboxRequest, metadata: RpcMetadata): Observable<Answer<Sandbox>> {
    const volumes = request.sandbox?.spec?.volumes ?? [];
    const snapshotIds = volumes.flatMap(({ source }) =>
      source?.$case === 'scratch' ? [source.value.restoreFromSnapshotId].filter(Boolean) : [],
    );
    return this.creating(createSandbox, request, { subject: { snapshotIds }, metadata });
  }

  /** A call that makes a sandbox, once however often it has to be asked. */
  creating<Request>(
    method: RpcMethod<Request, Sandbox>,
    request: Request,
    { subject: { snapshotIds = [] } = {}, ...options }: CallOptions,
  ): Observable<Answer<Sandbox>> {
    const { requestTimeoutMs: timeoutMs, retryBudgetMs } = this.#config;
    const call = { method, request, what: 'create()' };
    const asked = { timeoutMs, ...options, subject: { snapshotIds } };
    return askedOnce(this.#transport, { ...call, options: asked }, retryBudgetMs);
  }

  get(sandboxId: string, timeoutMs: number = this.#config.requestTimeoutMs): Observable<Sandbox> {
    const options = { ...this.#options({ sandboxId }), timeoutMs };
    return this.#transport
      .call(getSandbox, { sandboxId }, options)
      .pipe(map(({ message }) => message));
  }

  /** Asks until it stands as it shall, more and more seldom. */
  poll(sandboxId: string, isWanted: (state: State) => boolean): Observable<Sandbox> {
    const { requestTimeoutMs, retryBudgetMs } = this.#config;
    const get$ = this.get(sandboxId, Math.min(requestTimeoutMs, pollTimeoutMs));
    // Subscribed to for each question, so that each has its own time.
    const asked$ = withRetryBudget(get$, retryBudgetMs);
    return polled(asked$, ({ status }) => isWanted(status?.state ?? State.STATE_UNSPECIFIED));
  }

  /** All of them, page by page, also those that have ended. */
  list(tags: readonly string[]): Observable<Sandbox> {
    const page = (pageToken: string): Observable<ListSandboxesResponse> => {
      const request = ListSandboxesRequest.fromPartial({
        ...{ pageToken, tags: [...tags], showTerminated: true },
      });
      return this.#transport
        .call(listSandboxes, request, this.#options({}))
        .pipe(map(({ message }) => message));
    };
    return allPages(page, ({ sandboxes }) => sandboxes);
  }

  /** Asks to end it, and tells how it stands then: an end may take its time. */
  end(
    sandboxId: string,
    {
      graceSeconds,
      metadata = {},
    }: { readonly graceSeconds: number; readonly metadata?: RpcMetadata },
  ): Observable<Sandbox> {
    const request = DeleteSandboxRequest.fromPartial({
      sandboxId,
      gracePeriodSeconds: graceSeconds,
    });
    return this.#transport
      .call(deleteSandbox, request, this.#options({ sandboxId }, metadata))
      .pipe(map(({ message }) => message.sandbox ?? Sandbox.fromPartial({ sandboxId })));
  }

  #options(subject: NonNullable<CallOptions['subject']>, metadata: RpcMetadata = {}): CallOptions {
    return { subject, metadata, timeoutMs: this.#config.requestTimeoutMs };
  }
}
