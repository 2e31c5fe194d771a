import {
  concatMap,
  defer,
  EMPTY,
  expand,
  filter,
  map,
  mergeMap,
  take,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import {
  DeleteSandboxRequest,
  ListSandboxesRequest,
  State,
  type CreateSandboxRequest,
  type ListSandboxesResponse,
  Sandbox,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { createSandbox, deleteSandbox, getSandbox, listSandboxes } from './methods.js';
import { pollDelays, withRetryBudget } from './polling.js';
import type { Answer, CallOptions, RpcMetadata, RpcTransport } from './rpc-transport.js';

/** A list that goes on for longer is one that never ends. */
const maxPages = 1000;

/** A server that says nothing for so long when it is asked how a sandbox stands is asked again. */
const pollTimeoutMs = 15_000;

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

  get(sandboxId: string, timeoutMs: number = this.#config.requestTimeoutMs): Observable<Sandbox> {
    const options = { ...this.#options({ sandboxId }), timeoutMs };
    return this.#transport
      .call(getSandbox, { sandboxId }, options)
      .pipe(map(({ message }) => message));
  }

  /** Asks until it stands as it shall, more and more seldom. */
  poll(sandboxId: string, isWanted: (state: State) => boolean): Observable<Sandbox> {
    return defer(() => {
      const delays = pollDelays();
      const { requestTimeoutMs, retryBudgetMs } = this.#config;
      const get$ = this.get(sandboxId, Math.min(requestTimeoutMs, pollTimeoutMs));
      // Subscribed to for each question, so that each has its own time.
      const asked$ = withRetryBudget(get$, retryBudgetMs);
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
    return defer(() => {
      const seen: Set<string> = new Set();
      return page('').pipe(
        expand(({ nextPageToken: token }) => {
          if (token === '') return EMPTY;
          if (seen.has(token) || seen.size >= maxPages) return throwError(() => endless());
          seen.add(token);
          return page(token);
        }),
        concatMap(({ sandboxes }) => sandboxes),
      );
    });
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

function endless(): SandboxError {
  return new SandboxError('ERR_REMOTE', 'the server listed its sandboxes without end');
}
