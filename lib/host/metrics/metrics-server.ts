import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Observable } from 'rxjs';
import { listening, type Place } from '../listening.js';
import type { Metrics } from './metrics.js';

/** Who answers `/metrics` and `/healthz`. */
export class MetricsServer {
  readonly #server: Server;
  readonly #metrics: Metrics;
  readonly #isServing: () => boolean;

  constructor(metrics: Metrics, isServing: () => boolean) {
    this.#metrics = metrics;
    this.#isServing = isServing;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Emits the URL when it listens. */
  listen(place: Place): Observable<string> {
    return listening(this.#server, place, 'http');
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (url === '/metrics') {
      const text = await this.#metrics.text();
      response.writeHead(200, { 'content-type': this.#metrics.contentType }).end(text);
    } else if (url === '/healthz') {
      const isServing = this.#isServing();
      const type = { 'content-type': 'text/plain' };
      response.writeHead(isServing ? 200 : 503, type).end(isServing ? 'ok\n' : 'draining\n');
    } else {
      response.writeHead(404).end();
    }
  }
}
