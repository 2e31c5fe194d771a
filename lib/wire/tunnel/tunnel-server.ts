import { newId } from '../../process/new-id.js';
import type { Hello } from '../generated/sandboxrx/tunnel/v1/tunnel.js';
import { clockOf, type Clock } from './clock.js';
import { Connection, type TunnelConnection, type Wire } from './connection.js';
import { TunnelViolation } from './end-reason.js';
import { checkedLimits, limitsOf, toldLimits, type TunnelLimits } from './limits.js';
import { metadataOf } from './metadata.js';
import { controlPacket, exact, type ReadFrame, type ReadPacket } from './packets.js';
import { ServerCall, type ServeCall } from './server-call.js';
import { Session } from './session.js';
import { tunnelVersion } from './version.js';

/** Who is at the other end of a wire: whoever accepts it has found that out. */
export interface TunnelCaller {
  /** Sessions are resumed only by who began them. */
  readonly name: string;
  /** And only by one who may do as much. Default: everything. */
  readonly reach?: string | undefined;
  /** Takes the calls. */
  readonly serve: ServeCall;
}

export interface TunnelServerOptions extends Partial<Clock> {
  readonly limits?: Partial<TunnelLimits>;
  /** Sessions at one time, those that wait for their connection too. Default 1024. */
  readonly maxSessions?: number;
  /** The same, of callers with one name. Default: as many as in all. */
  readonly maxSessionsPerCaller?: number;
}

interface ServedSession {
  readonly session: Session;
  /** Who resumed it last: the same one may have shown something else that proves it. */
  caller: TunnelCaller;
}

/** The server's end, for any number of clients. */
export class TunnelServer {
  readonly #limits: TunnelLimits;
  readonly #clock: Clock;
  readonly #maxSessions: number;
  readonly #maxSessionsPerCaller: number;
  readonly #sessions: Map<string, ServedSession> = new Map();
  readonly #greeting: Set<Connection> = new Set();
  /** Tells clients that it is not the one they knew. */
  readonly #epoch: string = newId();
  #isDraining = false;

  constructor(options: TunnelServerOptions = {}) {
    const { limits, maxSessions = 1024, maxSessionsPerCaller = maxSessions } = options;
    this.#limits = limitsOf(limits);
    this.#maxSessions = maxSessions;
    this.#maxSessionsPerCaller = maxSessionsPerCaller;
    this.#clock = clockOf(options);
  }

  /** Sessions that there are, with and without a connection. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Those of callers with one name. */
  sessionsOf(name: string): number {
    return [...this.#sessions.values()].filter(({ caller }) => caller.name === name).length;
  }

  /** Bytes that are kept, over all sessions, until clients have acknowledged them. */
  get unackedBytes(): number {
    let bytes = 0;
    for (const { session } of this.#sessions.values()) bytes += session.unackedBytes;
    return bytes;
  }

  /** Takes a wire that a client has opened. */
  accept(wire: Wire, caller: TunnelCaller): TunnelConnection {
    const connection: Connection = new Connection(
      wire,
      { clock: this.#clock, limits: this.#limits },
      {
        greet: (packet) => {
          this.#greeting.delete(connection);
          this.#greet(connection, packet, caller);
        },
        latency: () => undefined,
        over: () => {
          this.#greeting.delete(connection);
        },
      },
    );
    this.#greeting.add(connection);
    return connection;
  }

  /** Begins no more calls and no sessions. Those that are open go on; a session ends with its last call. */
  drain(): void {
    this.#isDraining = true;
    for (const { session } of [...this.#sessions.values()]) {
      if (session.isSettled) session.end('drained', 'the server is going down');
      else session.goAway();
    }
  }

  /** Ends all. */
  close(): void {
    this.#isDraining = true;
    for (const { session } of [...this.#sessions.values()])
      session.end('closed', 'the server has closed it');
    for (const connection of [...this.#greeting])
      connection.close('closed', 'the server has closed it');
  }

  #greet(connection: Connection, { hello }: ReadPacket, caller: TunnelCaller): void {
    if (hello === undefined) throw new TunnelViolation('malformed', 'the first packet is no hello');
    if (hello.version !== tunnelVersion)
      throw new TunnelViolation('version', `this is version ${tunnelVersion}`);
    const known = this.#sessions.get(hello.session);
    if (known !== undefined && !isSame(known.caller, caller))
      throw new TunnelViolation('forbidden', 'the session belongs to somebody else');
    const session = known?.session ?? this.#newSession(hello, caller);
    const received = BigInt(session.received);
    connection.begin(session, known === undefined ? 0 : exact(hello.received));
    if (known !== undefined) known.caller = caller;
    connection.send(
      controlPacket({
        welcome: {
          ...{ session: session.id, resumed: known !== undefined, received },
          ...{ epoch: this.#epoch, graceMs: this.#limits.graceMs },
          limits: toldLimits(this.#limits),
        },
      }),
    );
  }

  #newSession(hello: Hello, caller: TunnelCaller): Session {
    if (this.#isDraining) throw new TunnelViolation('drained', 'the server is going down');
    this.#checkRoom(caller);
    const options = {
      ...{ id: newId(), clock: this.#clock, limits: this.#limits },
      ...{ peer: checkedLimits(hello.limits), graceMs: this.#limits.graceMs },
    };
    const session: Session = new Session(options, {
      opened: (stream, frame) => {
        this.#opened(served, stream, frame);
      },
      wentAway: () => {
        throw new TunnelViolation('malformed', 'a client does not go away, it ends its calls');
      },
      freed: () => undefined,
      settled: () => {
        if (this.#isDraining) session.end('drained', 'the server is going down');
      },
      ended: () => {
        this.#sessions.delete(session.id);
      },
    });
    const served = { session, caller };
    this.#sessions.set(session.id, served);
    return session;
  }

  #checkRoom({ name }: TunnelCaller): void {
    const isOwn = ({ caller }: ServedSession): boolean => caller.name === name;
    const isLimited = this.#maxSessionsPerCaller < this.#maxSessions;
    // First, so that a caller with too many ends none of another's.
    if (isLimited && this.sessionsOf(name) >= this.#maxSessionsPerCaller && !this.#makeRoom(isOwn))
      throw new TunnelViolation('overloaded', 'the caller has as many sessions as it may');
    if (this.#sessions.size >= this.#maxSessions && !this.#makeRoom(() => true))
      throw new TunnelViolation('overloaded', 'the server has as many sessions as it takes');
  }

  /** Ends the oldest session that nobody uses. `false`: there is none. */
  #makeRoom(isOf: (served: ServedSession) => boolean): boolean {
    for (const served of this.#sessions.values()) {
      if (!served.session.isIdle || !isOf(served)) continue;
      served.session.end('overloaded', 'there were too many sessions');
      return true;
    }
    return false;
  }

  #opened({ session, caller }: ServedSession, stream: number, { body }: ReadFrame): void {
    if (body.$case !== 'open') return;
    if (stream !== session.lastStream + 1)
      throw new TunnelViolation(
        'stream',
        `stream ${stream} was opened after ${session.lastStream}`,
      );
    if (this.#isDraining) {
      session.skip(stream);
      return;
    }
    if (session.openCalls >= this.#limits.maxStreams)
      throw new TunnelViolation('limit', 'too many calls are open');
    const { method, timeoutMs } = body.value;
    const metadata = metadataOf(body.value.metadata, this.#limits.maxMetadataBytes);
    const call = new ServerCall();
    session.add(stream, call);
    call.serve(stream, session);
    call.observe(caller.serve(call, { method, metadata, ...(timeoutMs > 0 && { timeoutMs }) }));
  }
}

function isSame(a: TunnelCaller, b: TunnelCaller): boolean {
  return a.name === b.name && a.reach === b.reach;
}
