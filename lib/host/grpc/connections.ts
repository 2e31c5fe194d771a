import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Observable } from 'rxjs';
import { listening, type Place } from '../listening.js';

/** The connections of a gRPC server, which does not tell of them itself: they are taken here, and handed to it. */
export class Connections {
  readonly #listener: NetServer;
  readonly #open: Set<Socket> = new Set();
  readonly #scheme: string;

  constructor(server: Server, credentials: ServerCredentials) {
    const injector = server.createConnectionInjector(credentials);
    this.#scheme = credentials._isSecure() ? 'https' : 'http';
    this.#listener = createServer({ noDelay: true }, (socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      // The server hears of it too, and ends what went on there.
      socket.on('error', ignore);
      injector.injectConnection(socket);
    });
  }

  get count(): number {
    return this.#open.size;
  }

  /** Emits the URL when it listens. */
  listen(place: Place): Observable<string> {
    return listening(this.#listener, place, this.#scheme);
  }

  /** Takes no more connections, and cuts those that there are. */
  close(): void {
    this.#listener.close();
    for (const socket of this.#open) socket.destroy();
  }
}

function ignore(): void {
  // It is closed then.
}
