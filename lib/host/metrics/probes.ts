import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from './metrics.js';

/** What is told of a host over HTTP, to those who look after it. */
export class Probes {
  readonly #metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly #isServing: () => boolean;

  constructor(metrics: Pick<Metrics, 'text' | 'contentType'>, isServing: () => boolean) {
    this.#metrics = metrics;
    this.#isServing = isServing;
  }

  /** `/healthz`, and `/metrics` for those who may see it; nothing else is there. */
  async answer(
    { method, url }: IncomingMessage,
    response: ServerResponse,
    refuseMetrics: () => number | undefined = () => undefined,
  ): Promise<void> {
    const type = { 'content-type': 'text/plain' };
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (url === '/metrics') {
      const refusal = refuseMetrics();
      if (refusal !== undefined) {
        response.writeHead(refusal, type).end();
        return;
      }
      const text = await this.#metrics.text();
      response.writeHead(200, { 'content-type': this.#metrics.contentType }).end(text);
    } else if (url === '/healthz') {
      const isServing = this.#isServing();
      response.writeHead(isServing ? 200 : 503, type).end(isServing ? 'ok\n' : 'draining\n');
    } else {
      response.writeHead(404).end();
    }
  }
}
