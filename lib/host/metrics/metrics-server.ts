import { createServer, type Server } from 'node:http';
import type { Observable } from 'rxjs';
import { listening, type Place } from '../listening.js';
import type { Probes } from './probes.js';

/** Answers {@link Probes} on a port of its own. */
export class MetricsServer {
  readonly #server: Server;

  constructor(probes: Probes) {
    this.#server = createServer((request, response) => void probes.answer(request, response));
  }

  /** Emits the URL when it listens. */
  listen(place: Place): Observable<string> {
    return listening(this.#server, place, 'http');
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
