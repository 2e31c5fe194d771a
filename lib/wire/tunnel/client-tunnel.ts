import type { Limits } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { ClientCall, type CallObserver, type CallOpening, type OpenCall } from './client-call.js';
import { clockOf, type Clock } from './clock.js';
import { Connection, type TunnelConnection, type Wire } from './connection.js';
import { endsSession, TunnelViolation, type EndReason } from './end-reason.js';
import { checkedLimits, limitsOf, longestMs, toldLimits, type TunnelLimits } from './limits.js';
import { Opener } from './opener.js';
import { controlPacket, exact, type ReadPacket } from './packets.js';
import { Session } from './session.js';
import { tunnelVersion } from './version.js';

/** What a tunnel tells of itself. Nothing of it may throw. */
export interface ClientTunnelObserver {
  /** Calls go over the connection. `resumed`: those that were open go on. */
  connected(resumed: boolean): void;
  /** The connection is over; without a reason, it was lost. Give {@link ClientTunnel.connected} another one. */
  disconnected(reason: EndReason | undefined, message: string): void;
  /** How long a ping took, in milliseconds. */
  latency(ms: number): void;
  /** The session takes no more calls: those that follow fail with `drained`, and can be made over another tunnel. */
  draining(): void;
}

export interface ClientTunnelOptions extends Partial<Clock> {
  readonly observer: ClientTunnelObserver;
  readonly limits?: Partial<TunnelLimits>;
}

/**
 * The client's end: makes calls over one connection after another. A call that is made before there is a connection, or
 * while there is none, waits for it.
 */
export class ClientTunnel {
  readonly #observer: ClientTunnelObserver;
  readonly #limits: TunnelLimits;
  readonly #clock: Clock;
  readonly #opener: Opener = new Opener((session) => {
    this.#drain(session, session.lastStream);
  });
  #connection: Connection | undefined;
  #session: Session | undefined;
  #epoch = '';
  #isDraining = false;
  #isClosed = false;

  constructor(options: ClientTunnelOptions) {
    this.#observer = options.observer;
    this.#limits = limitsOf(options.limits);
    this.#clock = clockOf(options);
  }

  /** Bytes that are kept until the server has acknowledged them. */
  get unackedBytes(): number {
    return this.#session?.unackedBytes ?? 0;
  }

  /** Packets of the present session that are known to have come, to either end: with more of them, it gets on. */
  get carried(): number {
    return this.#session?.carried ?? 0;
  }

  /** No call is open or waits, and the server has got all that was sent: nothing is lost without a connection. */
  get isSettled(): boolean {
    return this.#opener.isEmpty && (this.#session?.isSettled ?? true);
  }

  /** Makes a call. */
  open(opening: CallOpening, observer: CallObserver): OpenCall {
    const call = new ClientCall(opening, observer, (dropped) => {
      this.#opener.drop(dropped);
    });
    if (this.#isClosed) call.lost('closed', false);
    else if (this.#isDraining) call.lost('drained', false);
    else this.#opener.add(call);
    return call;
  }

  /** A connection is there: what was open goes on over it, and an older one is closed without a word. */
  connected(wire: Wire): TunnelConnection {
    const connection: Connection = new Connection(
      wire,
      { clock: this.#clock, limits: this.#limits },
      {
        greet: (packet) => {
          this.#greeted(connection, packet);
        },
        latency: (ms) => {
          this.#observer.latency(ms);
        },
        over: (reason, message) => {
          this.#over(connection, { reason, message });
        },
      },
    );
    if (this.#isClosed) {
      connection.close('closed', 'the client has closed it');
      return connection;
    }
    const old = this.#connection;
    this.#connection = connection;
    old?.close('superseded', 'there is another connection');
    const session = this.#session?.id ?? '';
    const received = BigInt(this.#session?.received ?? 0);
    const limits = toldLimits(this.#limits);
    connection.send(
      controlPacket({ hello: { version: tunnelVersion, session, received, limits } }),
    );
    return connection;
  }

  /** Ends the calls that have not been sent, where one does not want to wait for a connection any longer. */
  refuseWaiting(reason: EndReason): void {
    this.#opener.refuse(reason);
  }

  /** Ends all calls, and the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#session?.end('closed', 'the client has closed it');
    this.#connection?.close('closed', 'the client has closed it');
    this.#opener.refuse('closed');
  }

  #greeted(connection: Connection, { welcome }: ReadPacket): void {
    if (welcome === undefined)
      throw new TunnelViolation('malformed', 'the first packet is no welcome');
    const limits = checkedLimits(welcome.limits);
    const old = this.#session;
    if (welcome.resumed) {
      if (old?.id !== welcome.session)
        throw new TunnelViolation('expired', 'the session was over before it could go on');
      connection.begin(old, exact(welcome.received));
      this.#observer.connected(true);
      return;
    }
    old?.end(
      welcome.epoch === this.#epoch ? 'expired' : 'restarted',
      'the server knows nothing of it any more',
    );
    this.#epoch = welcome.epoch;
    const graceMs = Math.min(welcome.graceMs, longestMs);
    this.#session = this.#newSession({ id: welcome.session, graceMs, limits });
    connection.begin(this.#session, 0);
    this.#opener.use(this.#session);
    this.#observer.connected(false);
  }

  #newSession({ id, graceMs, limits: peer }: SessionTold): Session {
    const session: Session = new Session(
      { id, clock: this.#clock, limits: this.#limits, peer, graceMs },
      {
        opened: () => {
          throw new TunnelViolation('stream', 'a server begins no calls');
        },
        wentAway: (lastStream) => {
          this.#drain(session, lastStream);
        },
        freed: () => {
          this.#opener.wake();
        },
        settled: () => {
          if (this.#isDraining) session.end('drained', 'the last call is over');
        },
        ended: () => {
          this.#ended(session);
        },
      },
    );
    return session;
  }

  #drain(session: Session, lastStream: number): void {
    if (!this.#isDraining) {
      this.#isDraining = true;
      // Before calls are refused: who makes one again at once must find another tunnel.
      this.#observer.draining();
    }
    session.refuseAfter(lastStream, 'drained');
    this.#opener.refuse('drained');
  }

  #ended(session: Session): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#isDraining = false;
    this.#opener.use(undefined);
  }

  #over(
    connection: Connection,
    { reason, message }: { readonly reason: EndReason | undefined; readonly message: string },
  ): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (reason !== undefined && endsSession(reason)) this.#session?.end(reason, message);
    this.#observer.disconnected(reason, message);
  }
}

/** What a server says of a new session. */
interface SessionTold {
  readonly id: string;
  readonly graceMs: number;
  readonly limits: Limits;
}
