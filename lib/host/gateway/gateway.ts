import { ServerCredentials, type Server } from '@grpc/grpc-js';
import { merge, type Observable } from 'rxjs';
import type { HostTls } from '../auth/tls.js';
import { Health } from '../grpc/health.js';
import { addReflection } from '../grpc/reflection.js';
import { serverOf, shutDown, type ServerConfig } from '../grpc/server.js';
import type { Place } from '../listening.js';
import type { Metrics } from '../metrics/metrics.js';
import { Probes } from '../metrics/probes.js';
import { servicesOf, type ServedMethod } from '../served-method.js';
import { Tunnels, type TunnelsConfig } from '../tunnel/tunnels.js';
import { within } from '../within.js';
import { Connections } from './connections.js';
import { HttpServer } from './http-server.js';

/** What was sent last may take this long on its way to callers who read. */
const flushMs = 1000;

/** What is served on a host's port. */
export interface GatewayConfig {
  readonly tls: HostTls | undefined;
  readonly handshakeMs: number;
  readonly grpc: ServerConfig;
  readonly tunnels: TunnelsConfig;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** Whether `/metrics` is served here too. */
  readonly hasMetrics: boolean;
}

/** The port of a host: gRPC, tunnels, and what is told over HTTP. */
export class Gateway {
  readonly probes: Probes;
  readonly #server: Server;
  readonly #health: Health;
  readonly #tunnels: Tunnels;
  readonly #connections: Connections;

  constructor(methods: readonly ServedMethod[], config: GatewayConfig) {
    const { tls, handshakeMs, hasMetrics } = config;
    this.#server = serverOf(methods, config.grpc);
    const services = servicesOf(methods);
    this.#health = new Health(this.#server, services);
    addReflection(this.#server, services);
    this.#tunnels = new Tunnels(methods, config.tunnels);
    this.probes = new Probes(config.metrics, () => this.#health.isServing);
    const http = new HttpServer({
      ...{ probes: this.probes, tokens: config.tunnels.tokens, hasMetrics },
      upgrade: (request, connection) => {
        this.#tunnels.upgrade(request, connection, () => {
          this.#connections.settle(connection.socket);
        });
      },
    });
    // What comes to it is decrypted already.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#connections = new Connections({
      ...{ tls, handshakeMs },
      http2: (socket) => {
        injector.injectConnection(socket);
      },
      http1: (socket) => {
        http.take(socket);
      },
    });
  }

  /** Connections, of any protocol. */
  get connections(): number {
    return this.#connections.count;
  }

  get tunnels(): Tunnels['counts'] {
    return this.#tunnels.counts;
  }

  /** Emits the URL when it listens. */
  listen(place: Place): Observable<string> {
    return this.#connections.listen(place);
  }

  /** Says that nobody should send calls here, and begins no more that come over tunnels. */
  drain(): void {
    this.#health.stopServing();
    this.#tunnels.drain();
  }

  /** Lets connections go when their callers have heard how their calls ended; completes when they have, or soon. */
  shutDown(): Observable<never> {
    return within(flushMs, merge(shutDown(this.#server), this.#tunnels.closed$));
  }

  /** Ends all. */
  close(): void {
    this.#tunnels.close();
    this.#server.forceShutdown();
    this.#connections.close();
  }
}
