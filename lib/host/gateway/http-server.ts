import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { tunnelPath } from '../../wire/tunnel/names.js';
import type { Tokens } from '../auth/tokens.js';
import type { Probes } from '../metrics/probes.js';
import { answerRaw } from '../tunnel/answer-raw.js';

/** What is answered over HTTP/1. */
export interface HttpConfig {
  readonly probes: Probes;
  readonly tokens: Tokens;
  /** Whether `/metrics` is there. */
  readonly hasMetrics: boolean;
  /** Somebody asks for a tunnel. */
  readonly upgrade: (
    request: IncomingMessage,
    connection: { readonly socket: Duplex; readonly head: Buffer },
  ) => void;
}

/** The HTTP/1 side of a host: one answer for each connection, or a tunnel. No page of another origin may read it. */
export class HttpServer {
  readonly #server: Server;
  readonly #config: HttpConfig;

  constructor(config: HttpConfig) {
    this.#config = config;
    this.#server = createServer((request, response) => {
      this.#answer(request, response);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') this.#decline(request);
      else if (pathOf(request) === tunnelPath) config.upgrade(request, { socket, head });
      else answerRaw(socket, 404, 'there is nothing here');
    });
  }

  /** Takes a connection that somebody else has accepted. */
  take(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /** Offers of another protocol, as HTTP/2, may be passed over: it is a request like any other. */
  #decline(request: IncomingMessage): void {
    const { socket } = request;
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    response.once('finish', () => {
      response.detachSocket(socket);
      socket.end();
    });
    this.#answer(request, response);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('connection', 'close');
    if (pathOf(request) === tunnelPath) {
      response.writeHead(426, { upgrade: 'websocket' }).end('a WebSocket is opened here\n');
      return;
    }
    void this.#config.probes.answer(request, response, () => this.#refusal(request));
  }

  /** Why somebody may not see the metrics. */
  #refusal({ headers }: IncomingMessage): number | undefined {
    if (!this.#config.hasMetrics) return 404;
    try {
      const { scope } = this.#config.tokens.verify(headers.authorization);
      // They tell of all sandboxes, and of everybody who has a token.
      return scope === undefined ? undefined : 403;
    } catch {
      return 401;
    }
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.replace(/\?.*/s, '');
}
