import type { Server } from '@grpc/grpc-js';
import { concat, defer, EMPTY, from, ignoreElements, tap, type Observable } from 'rxjs';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { checkInteger, checkRecord, maxTimerMs } from '../process/validate.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { serverCredentials } from './auth/tls.js';
import { Tokens } from './auth/tokens.js';
import { logCall } from './calls/call-log.js';
import { Calls } from './calls/calls.js';
import { Connections } from './grpc/connections.js';
import { Health } from './grpc/health.js';
import { addReflection } from './grpc/reflection.js';
import { serverOf, shutDown } from './grpc/server.js';
import { checkOptions, defaultAddress, type HostOptions } from './host-options.js';
import { usualLimits } from './limits.js';
import { silentLogger, type Logger } from './logger.js';
import { MetricsServer } from './metrics/metrics-server.js';
import { Metrics } from './metrics/metrics.js';
import { metered, RunMeter } from './metrics/run-meter.js';
import { logSandbox } from './sandbox-log.js';
import { SandboxService } from './sandbox-service.js';
import { Sandboxes } from './sandboxes.js';
import { servicesOf } from './served-method.js';
import { servedMethods } from './served-methods.js';
import { Endings } from './snapshots/endings.js';
import { SnapshotService } from './snapshots/snapshot-service.js';
import { Snapshots } from './snapshots/snapshots.js';
import { Journal } from './store/journal.js';
import { levelStore, memoryStore, type Store } from './store/store.js';
import { TemplateService } from './template-service.js';
import { TokenService } from './token-service.js';
import { within } from './within.js';

/** Options for {@link Host.drain}. */
export interface DrainOptions {
  /** How long calls that go on are given to end by themselves, in milliseconds. Default 30000. */
  readonly graceMs?: number;
}

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
 * process.once('SIGTERM', () => void host.drain());
 * ```
 */
export class Host {
  readonly #options: HostOptions;
  readonly #logger: Logger;
  readonly #sandboxes: Sandboxes;
  readonly #calls: Calls;
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #service: SandboxService;
  readonly #snapshots: Snapshots;
  readonly #snapshotService: SnapshotService;
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #health: Health;
  readonly #metrics: MetricsServer;
  #metricsUrl: string | undefined;
  #draining: OperationRef<void> | undefined;

  /**
   * @throws {@link SandboxValidationError} for a bad option, and for an address that other machines can reach without
   * `tokens` and `tls`, unless `insecure` is set.
   */
  constructor(backend: SandboxBackend, options: HostOptions = {}) {
    checkOptions(options);
    this.#options = options;
    const { retentionMs = 3_600_000, logBytes = 4_194_304, tokens = [], limits = {} } = options;
    const { dataDirectory, scopedTokens } = options;
    const { maxMessageBytes, ...streamLimits } = { ...usualLimits, ...limits };
    const { keepaliveMs = 20_000, keepaliveTimeoutMs = 40_000, logger = silentLogger } = options;
    this.#logger = logger;

    const runs = new RunMeter();
    const counted = metered(backend, runs);
    this.#sandboxes = new Sandboxes(counted, { retentionMs, logBytes, limits });
    const known = new Tokens(tokens, scopedTokens);
    this.#calls = new Calls({ tokens: known, limits });
    this.#store = dataDirectory === undefined ? memoryStore() : levelStore(dataDirectory);
    this.#journal = new Journal(this.#store.sandboxes, this.#sandboxes);
    this.#snapshots = new Snapshots(backend, this.#store.snapshots);
    const parts = {
      ...{ sandboxes: this.#sandboxes, journal: this.#journal, snapshots: this.#snapshots },
    };
    this.#service = new SandboxService({ ...parts, endings: new Endings(parts) });
    this.#snapshotService = new SnapshotService(this.#sandboxes, this.#snapshots);
    const methods = servedMethods(counted, {
      ...{ sandboxes: this.#sandboxes, streamLimits, service: this.#service },
      snapshots: this.#snapshotService,
      templates: new TemplateService(this.#store.templates),
      tokens: new TokenService({ tokens: known, sandboxes: this.#sandboxes, logger }),
    });
    const config = { calls: this.#calls, maxMessageBytes, keepaliveMs, keepaliveTimeoutMs };
    this.#server = serverOf(methods, config);
    const services = servicesOf(methods);
    this.#health = new Health(this.#server, services);
    addReflection(this.#server, services);
    this.#connections = new Connections(this.#server, serverCredentials(options.tls));
    this.#metrics = this.#observed(runs);
  }

  /** Where `/metrics` and `/healthz` are, once the host listens with a `metricsPort`. */
  get metricsUrl(): string | undefined {
    return this.#metricsUrl;
  }

  /**
   * Begins to listen. Gives the URL at which clients reach it.
   *
   * @throws {@link SandboxError} with code `ERR_BACKEND_UNAVAILABLE` (rejection) where it cannot listen there.
   */
  listen(): OperationRef<string> {
    const { address = defaultAddress, port = 0, tls, tokens = [] } = this.#options;
    const { metricsAddress = defaultAddress, metricsPort } = this.#options;
    const metrics$ =
      metricsPort === undefined
        ? EMPTY
        : this.#metrics.listen({ address: metricsAddress, port: metricsPort });
    return startOperation(
      concat(
        defer(() => this.#restored()),
        metrics$.pipe(tap((url) => (this.#metricsUrl = url))),
        this.#connections.listen({ address, port }).pipe(
          tap((url) => {
            const metricsUrl = this.#metricsUrl;
            const isMutual = tls?.clientAuthorities !== undefined;
            const access = { tls: tls !== undefined, clientCertificates: isMutual };
            this.#logger.info({ url, metricsUrl, ...access, tokens: tokens.length }, 'listening');
          }),
        ),
      ),
    );
  }

  /**
   * Ends in good order: refuses new calls and says NOT_SERVING, lets calls that go on end by themselves, and then ends
   * them and all sandboxes. Settles when nothing is left; `close()` hurries it.
   *
   * @throws {@link SandboxValidationError} at once, for a bad option.
   */
  drain(options: DrainOptions = {}): OperationRef<void> {
    checkRecord('options', options);
    checkInteger('graceMs', options.graceMs, { min: 0, max: maxTimerMs });
    const { graceMs = 30_000 } = options;
    this.#draining ??= startOperation<void>(this.#drained(graceMs), undefined);
    return this.#draining;
  }

  /** Stops listening, ends all calls and all sandboxes; settles when nothing is left. */
  close(): OperationRef<void> {
    return startOperation<void>(this.#closed(), undefined);
  }

  #drained(graceMs: number): Observable<never> {
    return defer(() => {
      this.#calls.drain();
      this.#health.stopServing();
      this.#logger.info({ graceMs, calls: this.#calls.open.size }, 'draining');
      const ended$ = defer(() => {
        this.#logger.info({ calls: this.#calls.open.size }, 'ending what goes on');
        this.#calls.failAll();
        return shutDown(this.#server);
      });
      return concat(within(graceMs, this.#calls.idle$), ended$, this.#closed());
    });
  }

  #closed(): Observable<never> {
    return defer(() => {
      this.#server.forceShutdown();
      this.#connections.close();
      this.#metrics.close();
      this.#snapshots.close();
      return concat(this.#sandboxes.close(), this.#written());
    }).pipe(tap({ complete: () => this.#logger.info({}, 'closed') }));
  }

  /** Counts and tells what happens. */
  #observed(runs: RunMeter): MetricsServer {
    const connections = (): number => this.#connections.count;
    const measured = { calls: this.#calls, sandboxes: this.#sandboxes, runs, connections };
    const metrics = new Metrics(measured);
    this.#calls.ended$.subscribe({
      next: (call) => {
        metrics.callEnded(call);
        logCall(this.#logger, call);
      },
      error: ignore,
    });
    this.#sandboxes.created$.subscribe({
      next: (sandbox) => {
        metrics.sandboxCreated();
        logSandbox(this.#logger, sandbox);
      },
      error: ignore,
    });
    return new MetricsServer(metrics, () => this.#health.isServing);
  }

  /** Emits nothing; completes when what a host before this one wrote down is known. */
  #restored(): Observable<never> {
    const restoring = async (): Promise<void> => {
      await this.#store.open();
      this.#service.restore(inOrder(await this.#store.sandboxes.all()));
      this.#snapshotService.restore(inOrder(await this.#store.snapshots.all()));
    };
    return from(restoring()).pipe(ignoreElements());
  }

  /** Emits nothing; completes when all is written down. */
  #written(): Observable<never> {
    const writing = async (): Promise<void> => {
      await Promise.all([this.#journal.settled(), this.#snapshots.settled()]);
      await this.#store.close();
    };
    return defer(writing).pipe(ignoreElements());
  }
}

/** Oldest first. */
function inOrder<T extends { readonly number: bigint }>(stored: readonly T[]): readonly T[] {
  return stored.toSorted((a, b) => Number(a.number - b.number));
}

function ignore(): void {
  // They do not fail.
}
