import { concat, defer, EMPTY, from, ignoreElements, tap, type Observable } from 'rxjs';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { checkInteger, checkRecord, maxTimerMs } from '../process/validate.js';
import { withDefaults } from '../process/with-defaults.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { tunnelPath } from '../wire/tunnel/names.js';
import { Tokens } from './auth/tokens.js';
import { logCall } from './calls/call-log.js';
import { Calls } from './calls/calls.js';
import { gatewayConfig } from './gateway/gateway-config.js';
import { Gateway } from './gateway/gateway.js';
import { checkOptions, defaultAddress, type HostOptions } from './host-options.js';
import { usualLimits } from './limits.js';
import { silentLogger, type Logger } from './logger.js';
import { MetricsServer } from './metrics/metrics-server.js';
import { Metrics } from './metrics/metrics.js';
import { metered, RunMeter } from './metrics/run-meter.js';
import { logSandbox, logUnremoved } from './sandbox-log.js';
import { HeldCount } from './runs/held-count.js';
import { SandboxService } from './sandbox-service.js';
import { Sandboxes } from './sandboxes.js';
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
  readonly #gateway: Gateway;
  readonly #metrics: MetricsServer;
  #metricsUrl: string | undefined;
  #tunnelUrl: string | undefined;
  #draining: OperationRef<void> | undefined;

  /**
   * @throws {@link SandboxValidationError} for a bad option, and for an address that other machines can reach without
   * `tokens` and `tls`, unless `insecure` is set.
   */
  constructor(backend: SandboxBackend, options: HostOptions = {}) {
    checkOptions(options);
    this.#options = options;
    const { retentionMs = 3_600_000, logBytes = 4_194_304, tokens = [], limits = {} } = options;
    const { dataDirectory, reconnectGraceMs, scopedTokens, logger = silentLogger } = options;
    this.#logger = logger;

    const runs = new RunMeter();
    const held = new HeldCount();
    const counted = metered(backend, runs);
    this.#sandboxes = new Sandboxes(counted, { retentionMs, logBytes, limits });
    const knownTokens = new Tokens(tokens, scopedTokens);
    this.#calls = new Calls({ tokens: knownTokens, limits, held });
    this.#store = dataDirectory === undefined ? memoryStore() : levelStore(dataDirectory);
    this.#journal = new Journal(this.#store.sandboxes, this.#sandboxes);
    this.#snapshots = new Snapshots(backend, { table: this.#store.snapshots, limits });
    const kept = {
      ...{ sandboxes: this.#sandboxes, journal: this.#journal, snapshots: this.#snapshots },
    };
    this.#service = new SandboxService({ ...kept, endings: new Endings(kept) });
    this.#snapshotService = new SnapshotService(this.#sandboxes, this.#snapshots);
    const methods = servedMethods(counted, {
      ...{ sandboxes: this.#sandboxes, service: this.#service },
      ...{ held, reconnectGraceMs, streamLimits: withDefaults(usualLimits, limits) },
      snapshots: this.#snapshotService,
      templates: new TemplateService(this.#store.templates),
      tokens: new TokenService({ tokens: knownTokens, sandboxes: this.#sandboxes, logger }),
    });
    const parts = { calls: this.#calls, tokens: knownTokens, logger };
    this.#gateway = new Gateway(methods, {
      ...gatewayConfig(options, parts),
      metrics: this.#observed(runs),
    });
    this.#metrics = new MetricsServer(this.#gateway.probes);
  }

  /** Where `/metrics` and `/healthz` are, once the host listens with a `metricsPort`. */
  get metricsUrl(): string | undefined {
    return this.#metricsUrl;
  }

  /** Where clients open tunnels (WebSockets), once the host listens. */
  get tunnelUrl(): string | undefined {
    return this.#tunnelUrl;
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
        this.#gateway.listen({ address, port }).pipe(
          tap((url) => {
            this.#tunnelUrl = `${url.replace('http', 'ws')}${tunnelPath}`;
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
      this.#gateway.drain();
      this.#logger.info({ graceMs, calls: this.#calls.open.length }, 'draining');
      const ended$ = defer(() => {
        this.#logger.info({ calls: this.#calls.open.length }, 'ending what goes on');
        this.#calls.failAll();
        return this.#gateway.shutDown();
      });
      return concat(within(graceMs, this.#calls.idle$), ended$, this.#closed());
    });
  }

  #closed(): Observable<never> {
    return defer(() => {
      this.#gateway.close();
      this.#metrics.close();
      this.#snapshots.close();
      return concat(this.#sandboxes.close(), this.#written());
    }).pipe(tap({ complete: () => this.#logger.info({}, 'closed') }));
  }

  /** Counts and tells what happens. */
  #observed(runs: RunMeter): Metrics {
    const metrics = new Metrics({
      ...{ calls: this.#calls, sandboxes: this.#sandboxes, snapshots: this.#snapshots, runs },
      connections: () => this.#gateway.connections,
      tunnels: () => this.#gateway.tunnels,
    });
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
    this.#sandboxes.unremoved$.subscribe({
      next: (unremoved) => {
        logUnremoved(this.#logger, unremoved);
      },
      error: ignore,
    });
    return metrics;
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
