import type { Server } from '@grpc/grpc-js';
import { concat, defer, from, ignoreElements, Observable } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { serverCredentials } from './auth/tls.js';
import { Tokens } from './auth/tokens.js';
import { Calls } from './calls/calls.js';
import { serverOf } from './grpc/server.js';
import { checkOptions, defaultAddress, type HostOptions } from './host-options.js';
import { usualLimits } from './limits.js';
import { SandboxService } from './sandbox-service.js';
import { Sandboxes } from './sandboxes.js';
import { servedMethods } from './served-methods.js';
import { Journal } from './store/journal.js';
import { levelStore, memoryStore, type Store } from './store/store.js';
import { TemplateService } from './template-service.js';

/**
 * Serves any backend to clients of `coreweave.sandbox.v1` over gRPC: this library's `grpcBackend`, and CoreWeave's own.
 *
 * @example
 * ```ts
 * import { Host } from 'sandbox-rx/host';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const host = new Host(localBackend(), { port: 50051 });
 * const url = await host.listen();
 * console.log(`CWSANDBOX_BASE_URL=${url}`);
 * ```
 */
export class Host {
  readonly #options: HostOptions;
  readonly #server: Server;
  readonly #sandboxes: Sandboxes;
  readonly #calls: Calls;
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #service: SandboxService;

  /**
   * @throws {@link SandboxValidationError} for a bad option, and for an address that other machines can reach without
   * `tokens` and `tls`, unless `insecure` is set.
   */
  constructor(backend: SandboxBackend, options: HostOptions = {}) {
    checkOptions(options);
    this.#options = options;
    const { retentionMs = 3_600_000, logBytes = 4_194_304, tokens = [], limits = {} } = options;
    const { dataDirectory } = options;
    const { maxMessageBytes, maxStdinBytes } = { ...usualLimits, ...limits };
    this.#sandboxes = new Sandboxes(backend, { retentionMs, logBytes, limits });
    this.#calls = new Calls({ tokens: new Tokens(tokens), limits });
    this.#store = dataDirectory === undefined ? memoryStore() : levelStore(dataDirectory);
    this.#journal = new Journal(this.#store.sandboxes, this.#sandboxes);
    this.#service = new SandboxService(this.#sandboxes, this.#journal);
    const methods = servedMethods(backend, {
      ...{ sandboxes: this.#sandboxes, maxStdinBytes, service: this.#service },
      templates: new TemplateService(this.#store.templates),
    });
    const { keepaliveMs = 20_000, keepaliveTimeoutMs = 40_000 } = options;
    const config = { calls: this.#calls, maxMessageBytes, keepaliveMs, keepaliveTimeoutMs };
    this.#server = serverOf(methods, config);
  }

  /** Begins to listen. Gives the URL at which clients reach it. */
  listen(): OperationRef<string> {
    const { address = defaultAddress, port = 0, tls } = this.#options;
    const host = address.includes(':') ? `[${address}]` : address;
    const bound$: Observable<string> = new Observable((subscriber) => {
      const credentials = serverCredentials(tls);
      this.#server.bindAsync(`${host}:${port}`, credentials, (error, bound) => {
        if (error !== null) {
          const text = `cannot listen on ${host}:${port}: ${error.message}`;
          subscriber.error(new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { cause: error }));
          return;
        }
        subscriber.next(`${tls === undefined ? 'http' : 'https'}://${host}:${bound}`);
        subscriber.complete();
      });
    });
    return startOperation(
      concat(
        defer(() => this.#restored()),
        bound$,
      ),
    );
  }

  /** Stops listening, ends all calls and all sandboxes; settles when nothing is left. */
  close(): OperationRef<void> {
    const stopped$: Observable<never> = new Observable((subscriber) => {
      this.#server.forceShutdown();
      subscriber.complete();
    });
    const written$ = defer(async () => {
      await this.#journal.settled();
      await this.#store.close();
    }).pipe(ignoreElements());
    return startOperation<void>(concat(stopped$, this.#sandboxes.close(), written$), undefined);
  }

  /** Emits nothing; completes when what a host before this one wrote down is known. */
  #restored(): Observable<never> {
    const restoring = async (): Promise<void> => {
      await this.#store.open();
      const stored = await this.#store.sandboxes.all();
      this.#service.restore(stored.toSorted((a, b) => Number(a.number - b.number)));
    };
    return from(restoring()).pipe(ignoreElements());
  }
}
