import { lengthOf, type Parts } from '../../process/bytes.js';
import { messageOf } from '../../process/errors/message-of.js';
import { Timer, type Clock } from './clock.js';
import {
  closeCodeOf,
  endReasonOf,
  endsSession,
  TunnelViolation,
  type EndReason,
} from './end-reason.js';
import { Heartbeat } from './heartbeat.js';
import { maxPacketBytes, type TunnelLimits } from './limits.js';
import { controlPacket, readPacket, type ReadPacket } from './packets.js';
import type { Link, Session } from './session.js';

/** What carries packets, each as one binary message, in order: a WebSocket. */
export interface Wire {
  /** Sends one, whose parts make one message. `false`: it is to be the last until {@link TunnelConnection.drained}. */
  send(packet: Parts): boolean;
  /** Ends it, after what was sent. */
  close(code: number, reason: string): void;
}

/** What whoever has the wire tells of it. */
export interface TunnelConnection {
  /** A binary message came. Its bytes must not be changed any more. */
  received(packet: Parts): void;
  /** There is room again. */
  drained(): void;
  /** The wire has ended, or was closed. */
  lost(): void;
}

/** What is different at both ends. */
export interface ConnectionRole {
  /** The first packet. */
  greet(packet: ReadPacket): void;
  /** How long a ping took. */
  latency(ms: number): void;
  /** It is over; without a reason, it was lost. */
  over(reason: EndReason | undefined, message: string): void;
}

/** One wire from its first packet to its last: greets, lets its session send as the wire has room, and watches over it. */
export class Connection implements Link, TunnelConnection {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #limits: TunnelLimits;
  readonly #role: ConnectionRole;
  readonly #heartbeat: Heartbeat;
  readonly #handshake: Timer;
  #session: Session | undefined;
  #pong = 0;
  #hasRoom = true;
  #isAwake = false;
  #isOver = false;

  constructor(
    wire: Wire,
    { clock, limits }: { readonly clock: Clock; readonly limits: TunnelLimits },
    role: ConnectionRole,
  ) {
    this.#wire = wire;
    this.#clock = clock;
    this.#limits = limits;
    this.#role = role;
    this.#handshake = new Timer(clock.scheduler);
    this.#handshake.set(limits.handshakeMs, () => {
      this.close('handshake-timeout', 'the first packet did not come in time');
    });
    this.#heartbeat = new Heartbeat({
      ...{ clock, intervalMs: limits.heartbeatMs, missed: limits.missedHeartbeats },
      due: () => {
        this.wake();
      },
      silent: () => {
        this.close('silent', 'nothing came for too long');
      },
    });
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs;
  }

  /** The greeting is over. */
  begin(session: Session, peerReceived: number): void {
    session.attach(this, peerReceived);
    this.#handshake.clear();
    this.#session = session;
    this.#heartbeat.start();
  }

  /** Sends a packet before all others. */
  send(packet: Parts): void {
    if (!this.#isOver) this.#hasRoom = this.#wire.send(packet) && this.#hasRoom;
  }

  received(packet: Parts): void {
    if (this.#isOver) return;
    this.#heartbeat.heard();
    this.#guarded(() => {
      const length = lengthOf(packet);
      if (length > maxPacketBytes(this.#limits))
        throw new TunnelViolation('limit', 'a packet is too large');
      this.#packet(readPacket(packet), length);
    });
  }

  drained(): void {
    this.#hasRoom = true;
    this.#flush();
  }

  lost(): void {
    this.#finish(undefined, 'the connection was lost');
  }

  wake(): void {
    if (this.#isAwake || this.#isOver) return;
    this.#isAwake = true;
    this.#clock.defer(() => {
      this.#isAwake = false;
      this.#flush();
    });
  }

  close(reason: EndReason, message: string): void {
    if (this.#isOver) return;
    if (endsSession(reason)) this.#wire.send(controlPacket({ goodbye: { reason, message } }));
    this.#shut(reason, message);
  }

  #shut(reason: EndReason, message: string): void {
    this.#wire.close(closeCodeOf(reason), reason);
    this.#finish(reason, message);
  }

  #finish(reason: EndReason | undefined, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handshake.clear();
    this.#heartbeat.stop();
    this.#session?.detach(this);
    this.#role.over(reason, message);
  }

  #packet(packet: ReadPacket, bytes: number): void {
    if (packet.goodbye !== undefined) {
      this.#leave(endReasonOf(packet.goodbye.reason), packet.goodbye.message);
      return;
    }
    if (this.#session === undefined) {
      this.#role.greet(packet);
      return;
    }
    if (packet.hello !== undefined || packet.welcome !== undefined)
      throw new TunnelViolation('malformed', 'a greeting came again');
    if (packet.ping !== 0) {
      this.#pong = packet.ping;
      this.wake();
    }
    const latency = packet.pong === 0 ? undefined : this.#heartbeat.answered(packet.pong);
    if (latency !== undefined) this.#role.latency(latency);
    this.#session.receive(packet, bytes);
  }

  /** The other end has ended the session. */
  #leave(reason: EndReason, message: string): void {
    const session = this.#session;
    this.#shut(reason, message);
    session?.end(reason, message);
  }

  #flush(): void {
    this.#guarded(() => {
      while (this.#hasRoom && !this.#isOver) {
        const packet = this.#pings() ?? this.#session?.next();
        if (packet === undefined) return;
        this.send(packet);
      }
    });
  }

  #pings(): Parts | undefined {
    const ping = this.#heartbeat.take();
    const pong = this.#pong;
    if (ping === 0 && pong === 0) return undefined;
    this.#pong = 0;
    return controlPacket({ ping, pong });
  }

  /** What the other end must not do ends the session; what fails here too, and is not hidden. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      const isViolation = error instanceof TunnelViolation;
      const reason = isViolation ? error.reason : 'internal';
      const message = isViolation ? messageOf(error) : 'this end failed';
      if (this.#session === undefined) this.close(reason, message);
      else this.#session.end(reason, message);
      if (!isViolation) throw error;
    }
  }
}
