import {
  catchError,
  concat,
  EMPTY,
  first,
  from,
  mergeMap,
  of,
  tap,
  throwError,
  toArray,
  type Observable,
} from 'rxjs';
import { SandboxNotFoundError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { startOperation, type OperationRef } from '../../process/operation-ref.js';
import { checkRecord, refuse, requireText } from '../../process/validate.js';
import { ensureDeleted } from '../../sandbox/ensure-deleted.js';
import { SandboxClient } from '../../sandbox/sandbox-client.js';
import {
  checkFilter,
  checkSpec,
  type SandboxFilter,
  type SandboxInfo,
  type SandboxSpec,
} from '../../sandbox/sandbox-spec.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { closedError, SessionBackend } from './session-backend.js';
import { SessionBooks, type SessionStats } from './session-books.js';

/** Options for `Session`. */
export interface SessionOptions {
  /**
   * What its sandboxes have in common. Variables and tags are added to those of each; of all else, what a sandbox's own spec says
   * counts. By the tags it also finds those to adopt. Default: nothing.
   */
  readonly defaults?: SandboxSpec;
}

/**
 * A number of sandboxes that belong together: they have defaults in common, their runs are counted, and they are deleted
 * together at the end, whoever made them. `client` is what everything in it is done by.
 *
 * @example
 * ```ts
 * import { runAll, SandboxClient, Session, toSummary, type SandboxBackend } from 'sandbox-rx';
 *
 * declare const backend: SandboxBackend;
 * await using session = new Session(new SandboxClient(backend), { defaults: { tags: ['nightly'] } });
 * // Those that a crashed run of this program has left behind will be deleted too.
 * await session.adopt();
 * const sandbox = await session.client.create({ env: { CI: '1' } });
 * await sandbox.exec(['make', 'test']);
 * await runAll([['id'], ['uname']], { client: session.client }).pipe(toSummary()).forEach(console.log);
 * console.log(session.stats.executions);
 * ```
 */
export class Session {
  /** Makes and finds sandboxes. What it makes has the defaults and is the session's; what is run through it is counted. */
  readonly client: SandboxClient;
  readonly #backend: SessionBackend;
  readonly #tags: readonly string[];
  readonly #books = new SessionBooks();
  #closing: OperationRef<void> | undefined;
  #isDeleting = false;

  /** @throws {@link SandboxValidationError} at once, for bad options. */
  constructor(client: SandboxClient, options: SessionOptions = {}) {
    checkRecord('client', client);
    checkRecord('options', options);
    const { defaults = {} } = options;
    checkSpec(defaults);
    if (defaults.id !== undefined)
      refuse('defaults.id', 'left out: each sandbox has its own', defaults.id);
    this.#tags = defaults.tags ?? [];
    this.#backend = new SessionBackend(client.backend, defaults, this.#books);
    this.client = new SandboxClient(this.#backend);
  }

  /** The ids of the sandboxes that closing will delete. */
  get sandboxIds(): readonly string[] {
    return [...this.#books.ids];
  }

  /** What has been done so far. */
  get stats(): SessionStats {
    return this.#books.stats;
  }

  /** The sandboxes there are now that have the tags of the defaults, the session's own or not, oldest first. */
  list(wanted: SandboxFilter = {}): OperationRef<readonly SandboxInfo[]> {
    return this.client.list(this.#tagged(wanted));
  }

  /**
   * Makes those that have the tags of the defaults its own, whoever made them: they are deleted with it.
   *
   * @param wanted - Narrows them down further. Default: all that run.
   * @throws {@link SandboxValidationError} at once, where there are no tags at all: it would adopt everything there is.
   * @throws {@link CancelledError} through the operation, when the session was closed.
   */
  adopt(wanted: SandboxFilter = { status: 'running' }): OperationRef<readonly Sandbox[]> {
    const tagged = this.#tagged(wanted);
    if (tagged.tags.length === 0)
      refuse('tags', 'given, in the defaults of the session or here', 'none');
    const adopted$ = this.#backend
      .list(tagged)
      .pipe(mergeMap(({ id }) => this.#adopted(id).pipe(catchError(unlessGone))));
    return startOperation<readonly Sandbox[]>(adopted$.pipe(toArray()));
  }

  /**
   * Finds a sandbox by its id, and makes it its own: it is deleted with the session.
   *
   * @throws {@link SandboxNotFoundError} through the operation, where there is none.
   * @throws {@link CancelledError} through the operation, when the session was closed.
   */
  get(id: string): OperationRef<Sandbox> {
    requireText('id', id);
    return startOperation(this.#adopted(id));
  }

  /**
   * Deletes all of its sandboxes at once, and those that are being made as soon as they are; settles when nothing is left.
   * Nothing can be made through `client` from then on. Where one could not be deleted, calling it again tries that again.
   *
   * @throws the error through the operation, where a sandbox could not be deleted; where several could not, a
   * {@link SandboxError} with all of their errors as its `cause`.
   */
  close(): OperationRef<void> {
    this.#books.isClosed = true;
    if (!this.#isDeleting || this.#closing === undefined) {
      this.#isDeleting = true;
      this.#closing = startOperation<void>(this.#deleteAll(), undefined);
    }
    // Who gives up waiting does not end it.
    return startOperation(this.#closing.result$);
  }

  /** Closes the session at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #tagged(wanted: SandboxFilter): SandboxFilter & { readonly tags: readonly string[] } {
    checkFilter(wanted);
    return { ...wanted, tags: [...this.#tags, ...(wanted.tags ?? [])] };
  }

  #adopted(id: string): Observable<Sandbox> {
    return from(this.client.get(id)).pipe(
      tap(() => {
        if (this.#books.isClosed) throw closedError();
        this.#books.adopted(id);
      }),
    );
  }

  #deleteAll(): Observable<never> {
    const known = this.sandboxIds;
    // Those that are being made still, when they are.
    const late$ = this.#books.creating$.pipe(
      first((count) => count === 0),
      mergeMap(() => this.sandboxIds.filter((id) => !known.includes(id))),
    );
    return concat(known, late$).pipe(
      mergeMap((id) => this.#deleted(id)),
      toArray(),
      mergeMap((errors) => {
        this.#isDeleting = false;
        return errors.length === 0 ? EMPTY : throwError(() => errorOf(errors));
      }),
    );
  }

  /** Emits why it could not be deleted. */
  #deleted(id: string): Observable<unknown> {
    const forget = (): void => {
      this.#books.ids.delete(id);
    };
    return ensureDeleted(this.#backend, id).pipe(
      tap({ complete: forget }),
      catchError((error: unknown) => of(error)),
    );
  }
}

/** One that has gone since it was listed is not there to be adopted. */
function unlessGone(error: unknown): Observable<never> {
  return error instanceof SandboxNotFoundError ? EMPTY : throwError(() => error);
}

function errorOf(errors: readonly unknown[]): unknown {
  const [first] = errors;
  if (errors.length === 1) return first;
  const code = first instanceof SandboxError ? first.code : 'ERR_REMOTE';
  const message = `${errors.length} sandboxes of the session could not be deleted; close it again`;
  return new SandboxError(code, message, { cause: new AggregateError(errors) });
}
