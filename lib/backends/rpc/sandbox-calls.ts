import {
  concatMap,
  defer,
  EMPTY,
  expand,
  filter,
  ignoreElements,
  map,
  mergeMap,
  take,
  timer,
  type Observable,
} from 'rxjs';
import {
  DeleteSandboxRequest,
  ListSandboxesRequest,
  State,
  type CreateSandboxRequest,
  type ListSandboxesResponse,
  type Sandbox,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { createSandbox, deleteSandbox, getSandbox, listSandboxes } from './methods.js';
import { pollDelays, withRetryBudget } from './polling.js';
import type { Answer, CallOptions, RpcMetadata, RpcTransport } from './rpc-transport.js';

/** A list that goes on for longer is one that never ends. */
const maxPages = 1000;

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
    return this.#transport.call(createSandbox, request, this.#options({}, metadata));
  }

  get(sandboxId: string): Observable<Sandbox> {
    return this.#transport
      .call(getSandbox, { sandboxId }, this.#options({ sandboxId }))
      .pipe(map(({ message }) => message));
  }

  /** Asks until it stands as it shall, more and more seldom. */
  poll(sandboxId: string, isWanted: (state: State) => boolean): Observable<Sandbox> {
    return defer(() => {
      const delays = pollDelays();
      const asked$ = withRetryBudget(this.get(sandboxId), this.#config.retryBudgetMs);
      const isDone = ({ status }: Sandbox): boolean =>
        isWanted(status?.state ?? State.STATE_UNSPECIFIED);
      return asked$.pipe(
        expand((sandbox) =>
          isDone(sandbox) ? EMPTY : timer(delays.next().value).pipe(mergeMap(() => asked$)),
        ),
        filter(isDone),
        take(1),
      );
    });
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
    return page('').pipe(
      expand(({ nextPageToken }) => (nextPageToken === '' ? EMPTY : page(nextPageToken))),
      take(maxPages),
      concatMap(({ sandboxes }) => sandboxes),
    );
  }

  end(
    sandboxId: string,
    {
      graceSeconds,
      metadata = {},
    }: { readonly graceSeconds: number; readonly metadata?: RpcMetadata },
  ): Observable<never> {
    const request = DeleteSandboxRequest.fromPartial({
      sandboxId,
      gracePeriodSeconds: graceSeconds,
    });
    return this.#transport
      .call(deleteSandbox, request, this.#options({ sandboxId }, metadata))
      .pipe(ignoreElements());
  }

  #options(subject: NonNullable<CallOptions['subject']>, metadata: RpcMetadata = {}): CallOptions {
    return { subject, metadata, timeoutMs: this.#config.requestTimeoutMs };
  }
}
