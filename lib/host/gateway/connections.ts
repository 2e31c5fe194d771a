import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Observable } from 'rxjs';
import { serverOptions, type HostTls } from '../auth/tls.js';
import { listening, type Place } from '../listening.js';
import { whenKnown } from './first-bytes.js';

/** Who takes connections, by what they speak. */
export interface ConnectionsConfig {
  readonly tls: HostTls | undefined;
  /** How long a connection may take until it is one that lasts, in milliseconds. */
  readonly handshakeMs: number;
  readonly http2: (socket: Socket) => void;
  /** It is closed when its time is up, unless {@link Connections.settle} says that it lasts. */
  readonly http1: (socket: Socket) => void;
}

/** The connections of a host: all come in at one port, and each goes to the server of its protocol. */
export class Connections {
  readonly #config: ConnectionsConfig;
  readonly #listener: NetServer;
  readonly #open: Set<Socket> = new Set();
  /** Those of which it is not known yet whether they last. */
  readonly #timers: Map<object, NodeJS.Timeout> = new Map();

  constructor(config: ConnectionsConfig) {
    this.#config = config;
    this.#listener = config.tls === undefined ? this.#plain() : this.#encrypted(config.tls);
  }

  get count(): number {
    return this.#open.size;
  }

  /** Emits the URL when it listens. */
  listen(place: Place): Observable<string> {
    const scheme = this.#config.tls === undefined ? 'http' : 'https';
    return listening(this.#listener, place, scheme);
  }

  /** This connection lasts: who has it looks after it. */
  settle(socket: object): void {
    clearTimeout(this.#timers.get(socket));
    this.#timers.delete(socket);
  }

  /** Takes no more connections, and cuts those that there are. */
  close(): void {
    this.#listener.close();
    for (const socket of this.#open) socket.destroy();
  }

  #plain(): NetServer {
    return createNetServer({ noDelay: true }, (socket) => {
      this.#take(socket);
      this.#await(socket);
      whenKnown(socket, (isHttp2) => {
        this.#hand(socket, isHttp2);
      });
    });
  }

  #encrypted(tls: HostTls): NetServer {
    const { handshakeMs } = this.#config;
    const options = { ...serverOptions(tls), ALPNProtocols: ['h2', 'http/1.1'] };
    const server = createTlsServer({ ...options, noDelay: true, handshakeTimeout: handshakeMs });
    server.on('connection', (socket: Socket) => {
      this.#take(socket);
    });
    server.on('tlsClientError', (_error, socket) => {
      // Not done by the server where the handshake takes too long.
      socket.destroy();
    });
    return server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', ignore);
      this.#await(socket);
      this.#hand(socket, socket.alpnProtocol === 'h2');
    });
  }

  #take(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    // The server hears of it too, and ends what went on there.
    socket.on('error', ignore);
  }

  #await(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), this.#config.handshakeMs);
    this.#timers.set(socket, timer);
    socket.once('close', () => {
      this.settle(socket);
    });
  }

  #hand(socket: Socket, isHttp2: boolean): void {
    if (!isHttp2) {
      this.#config.http1(socket);
      return;
    }
    this.settle(socket);
    this.#config.http2(socket);
  }
}

function ignore(): void {
  // It is closed then.
}
