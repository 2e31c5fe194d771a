import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  asyncScheduler,
  defer,
  filter,
  ignoreElements,
  startWith,
  Subject,
  take,
  type Observable,
} from 'rxjs';
import { WebSocketServer, type WebSocket } from 'ws';
import { messageOf } from '../../process/errors/message-of.js';
import { maxTimerMs } from '../../process/validate.js';
import { Timer } from '../../wire/tunnel/clock.js';
import { limitsOf, maxPacketBytes, type TunnelLimits } from '../../wire/tunnel/limits.js';
import { subprotocol } from '../../wire/tunnel/names.js';
import { TunnelServer } from '../../wire/tunnel/tunnel-server.js';
import { reachOf, type Scope } from '../auth/scope.js';
import type { Caller, Tokens } from '../auth/tokens.js';
import type { Calls } from '../calls/calls.js';
import type { Logger } from '../logger.js';
import type { ServedMethod } from '../served-method.js';
import { answerRaw } from './answer-raw.js';
import { TunnelMethods } from './tunnel-methods.js';
import { upgradeRequestOf, type UpgradeRequest } from './upgrade-request.js';
import { WsWire } from '../../ws/ws-wire.js';

/** What the tunnels of a host keep to. */
export interface TunnelsConfig {
  readonly calls: Calls;
  readonly tokens: Tokens;
  readonly logger: Logger;
  /** Pages of these may open tunnels. */
  readonly origins: readonly string[];
  readonly compress: boolean;
  readonly limits: Partial<TunnelLimits>;
  readonly maxTunnels: number;
  readonly maxTunnelsPerToken: number;
}

/** A tunnel that is open. */
interface OpenTunnel {
  readonly caller: string | undefined;
  readonly wire: WsWire;
}

/** The close code of one whose token has expired; its session can go on over another one. */
const expiredCode = 4015;

/** How one is refused. */
interface Refusal {
  readonly status: 400 | 401 | 403 | 429 | 503;
  readonly text: string;
}

/** The tunnels of a host: takes WebSockets, and answers the calls that come over them. */
export class Tunnels {
  readonly #config: TunnelsConfig;
  readonly #methods: TunnelMethods;
  readonly #webSockets: WebSocketServer;
  readonly #server: TunnelServer;
  readonly #maxBytes: number;
  readonly #open: Set<OpenTunnel> = new Set();
  readonly #closed: Subject<void> = new Subject();

  constructor(methods: readonly ServedMethod[], config: TunnelsConfig) {
    this.#config = config;
    this.#methods = new TunnelMethods(methods);
    const { limits, maxTunnels: maxSessions, maxTunnelsPerToken: maxSessionsPerCaller } = config;
    this.#server = new TunnelServer({ limits, maxSessions, maxSessionsPerCaller });
    this.#maxBytes = maxPacketBytes(limitsOf(limits));
    this.#webSockets = new WebSocketServer({
      ...{ noServer: true, clientTracking: false, autoPong: false },
      perMessageDeflate: config.compress,
      maxPayload: this.#maxBytes,
      handleProtocols: () => subprotocol,
    });
  }

  /** How many there are, and of those that have a client behind. */
  get counts(): Readonly<Record<'open' | 'behind' | 'sessions' | 'unackedBytes', number>> {
    const { sessions, unackedBytes } = this.#server;
    const behind = [...this.#open].filter(({ wire }) => wire.isFull).length;
    return { open: this.#open.size, behind, sessions, unackedBytes };
  }

  /** Somebody asks for a tunnel; `opened` is called when it is there. */
  upgrade(
    request: IncomingMessage,
    { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
    opened: () => void,
  ): void {
    const asked = upgradeRequestOf(request);
    const admitted = this.#admitted(asked);
    if ('status' in admitted) {
      const { status, text } = admitted;
      this.#config.logger.warn({ status, reason: text, origin: asked.origin }, 'tunnel refused');
      answerRaw(socket, status, text);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      opened();
      this.#opened(webSocket, { ...admitted, ...asked, socket });
    });
  }

  /** Begins no more calls; those that there are go on, and each session ends with its last one. */
  drain(): void {
    this.#server.drain();
  }

  /** Completes when no tunnel is open. */
  get closed$(): Observable<never> {
    return defer(() =>
      this.#closed.pipe(
        startWith(undefined),
        filter(() => this.#open.size === 0),
        take(1),
        ignoreElements(),
      ),
    );
  }

  /** Ends all. */
  close(): void {
    this.#server.close();
    this.#webSockets.close();
  }

  #admitted(asked: UpgradeRequest): Caller | Refusal {
    const { origins, tokens } = this.#config;
    const { isKnown, origin, authorization } = asked;
    if (origin !== undefined && !origins.includes(origin))
      return { status: 403, text: 'pages of this origin may open no tunnels here' };
    if (!isKnown) return { status: 400, text: `offer the subprotocol ${subprotocol}` };
    try {
      const caller = tokens.verify(authorization);
      return this.#noRoom(caller) ?? caller;
    } catch (error) {
      return { status: 401, text: messageOf(error) };
    }
  }

  /** One for each session is not counted: a client whose connection is dead, unknown to this host, makes another one. */
  #noRoom({ caller }: Caller): Refusal | undefined {
    const { maxTunnels, maxTunnelsPerToken } = this.#config;
    if (this.#open.size - this.#server.sessions >= maxTunnels)
      return { status: 503, text: 'there are too many tunnels' };
    const own = [...this.#open].filter((open) => open.caller === caller).length;
    return own - this.#server.sessionsOf(nameOf(caller)) >= maxTunnelsPerToken
      ? { status: 429, text: 'there are too many tunnels of this token' }
      : undefined;
  }

  #opened(
    webSocket: WebSocket,
    { caller, scope, authorization, origin, socket }: Caller & UpgradeRequest & { socket: Duplex },
  ): void {
    const { calls, logger } = this.#config;
    const wire = new WsWire({ webSocket, socket, end: 'server', maxBytes: this.#maxBytes });
    const tunnel = { caller, wire };
    const openedAtMs = performance.now();
    this.#open.add(tunnel);
    const token = scope?.name ?? caller;
    const fields = { ...(token !== undefined && { token }), ...(origin && { origin }) };
    logger.info(fields, 'tunnel opened');
    const connection = this.#server.accept(wire, {
      ...{ name: nameOf(caller), reach: reachOf({ scope }) },
      serve: (call, opening) => this.#methods.serve({ call, opening, calls, authorization }),
    });
    wire.carry(connection);
    const expiry = new Timer(asyncScheduler);
    if (scope !== undefined) {
      expiry.set(untilMs(scope), () => {
        connection.lost();
        wire.close(expiredCode, 'the token has expired');
      });
    }
    webSocket.once('close', (code) => {
      expiry.clear();
      this.#open.delete(tunnel);
      this.#closed.next();
      const durationMs = Math.round(performance.now() - openedAtMs);
      logger.info({ ...fields, code, durationMs }, 'tunnel closed');
    });
  }
}

/** Of all who need no token. */
function nameOf(caller: string | undefined): string {
  return caller ?? '';
}

/** Another host's clock, which made the token, may be off by more than a timer takes. */
function untilMs({ expiresAtMs }: Scope): number {
  return Math.min(Math.max(expiresAtMs - Date.now(), 0), maxTimerMs);
}
