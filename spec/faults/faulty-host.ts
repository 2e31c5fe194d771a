import { SandboxClient, type SandboxBackend } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { grpcBackend, type ConnectedBackend, type GrpcBackendOptions } from 'sandbox-rx/node';
import { eventually } from '../contract/kit.js';
import { processesWith } from '../backends/local/host.js';
import { FaultyWay } from '../support/faulty-way.js';
import { metricsUntil } from '../support/metrics.js';

/** A client whose way to the host goes wrong. */
export interface FaultyClient {
  readonly way: FaultyWay;
  readonly backend: ConnectedBackend;
  readonly client: SandboxClient;
  close(): void;
}

/** A host in this process, a client that reaches it well, and others that do not. */
export class FaultyHost {
  readonly url: string;
  readonly metricsUrl: string;
  /** Reaches the host straight. */
  readonly client: SandboxClient;
  readonly #host: Host;
  readonly #backend: ConnectedBackend;

  private constructor(host: Host, url: string) {
    this.#host = host;
    this.url = url;
    this.metricsUrl = host.metricsUrl ?? '';
    this.#backend = grpcBackend({ url });
    this.client = new SandboxClient(this.#backend);
  }

  static async of(backend: SandboxBackend, options: HostOptions = {}): Promise<FaultyHost> {
    const host = new Host(backend, { ...options, metricsPort: 0 });
    return new FaultyHost(host, await host.listen());
  }

  async faulty(options: GrpcBackendOptions = {}): Promise<FaultyClient> {
    const way = await FaultyWay.to(this.url);
    const backend = grpcBackend({ url: way.url, ...options });
    const close = (): void => {
      backend.close();
      way.close();
    };
    return { way, backend, client: new SandboxClient(backend), close };
  }

  /** Settles when it has neither a run nor a stream. */
  async idle(): Promise<void> {
    await metricsUntil(this.metricsUrl, { sandboxrx_runs_live: 0, sandboxrx_streams_open: 0 });
  }

  /** Settles when neither a run, a stream nor a process with this word is left. */
  async nothingLeft(word: string): Promise<void> {
    await this.idle();
    await eventually('no process is left', () => processesWith(word).length === 0);
  }

  /** Settles when a run waits for its reader. */
  async paused(): Promise<void> {
    await metricsUntil(this.metricsUrl, { sandboxrx_runs_paused: 1 });
  }

  async close(): Promise<void> {
    this.#backend.close();
    await this.#host.close();
  }
}
