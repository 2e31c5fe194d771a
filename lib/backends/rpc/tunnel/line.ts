import type { SchedulerLike } from 'rxjs';
import { messageOf } from '../../../process/errors/message-of.js';
import type { CallStatus } from '../../../wire/grpc-code.js';
import { statusToError } from '../../../wire/status-to-error.js';
import type { CallOpening, OpenCall } from '../../../wire/tunnel/client-call.js';
import { ClientTunnel, type ClientTunnelOptions } from '../../../wire/tunnel/client-tunnel.js';
import { Timer } from '../../../wire/tunnel/clock.js';
import type { TunnelConnection } from '../../../wire/tunnel/connection.js';
import type { EndReason } from '../../../wire/tunnel/end-reason.js';
import { Backoff, longestBackoffMs } from './backoff.js';
import type { ConnectionStatus } from './connection-status.js';
import type { Dial, DialedWire } from './dial.js';
import { lineCall, type LineCallObserver } from './line-call.js';
import { isForGood, statusOfEnd, textOf, unavailable } from './loss.js';

/** How a line is connected. */
export interface LineOptions extends Omit<ClientTunnelOptions, 'observer'> {
  readonly dial: Dial;
  /** How long calls wait for a connection. */
  readonly connectTimeoutMs: number;
  /** For the times of connecting; `scheduler` is for those of the tunnel. */
  readonly connectScheduler: SchedulerLike;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What a line tells. */
export interface LineObserver {
  changed(status: ConnectionStatus): void;
  /** It takes no more calls; those that there are go on. */
  draining(): void;
}

/** An attempt to connect, and what has come of it. */
interface Attempt {
  abandon: () => void;
  wire?: DialedWire;
  connection?: TunnelConnection;
  /** Why its connection was given up here. */
  givenUp?: CallStatus;
}

/** One tunnel, which is kept connected as long as calls need it. */
export class Line {
  readonly #options: LineOptions;
  readonly #observer: LineObserver;
  readonly #tunnel: ClientTunnel;
  readonly #backoff: Backoff;
  /** The present attempt has come to nothing. */
  readonly #attemptTimer: Timer;
  /** Calls have waited long enough. */
  readonly #waitTimer: Timer;
  readonly #retryTimer: Timer;
  #attempt: Attempt | undefined;
  #attempts = 0;
  #connectedAt: number | undefined;
  #hasConnected: boolean;
  #calls = 0;
  /** What had been carried when the last connection was lost. */
  #carried = 0;
  #failure: CallStatus | undefined;
  #isClosed = false;

  /** `isKnown`: the server was reached before, so an attempt that fails is not the end. */
  constructor(
    options: LineOptions,
    { observer, isKnown }: { readonly observer: LineObserver; readonly isKnown: boolean },
  ) {
    const { connectScheduler, random } = options;
    this.#options = options;
    this.#observer = observer;
    this.#hasConnected = isKnown;
    this.#backoff = new Backoff(random);
    this.#attemptTimer = new Timer(connectScheduler);
    this.#waitTimer = new Timer(connectScheduler);
    this.#retryTimer = new Timer(connectScheduler);
    this.#tunnel = new ClientTunnel({
      ...options,
      observer: {
        connected: () => {
          this.#connected();
        },
        disconnected: (reason, message) => {
          this.#down(this.#attempt?.givenUp ?? statusOfEnd(reason, message));
        },
        latency: (latencyMs) => {
          this.#observer.changed({ state: 'connected', attempt: 0, latencyMs });
        },
        draining: () => {
          this.#observer.draining();
        },
      },
    });
  }

  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  /** It has been refused or closed: it takes no calls. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** There is an attempt, or the connection that it has become. */
  get #isTrying(): boolean {
    return this.#attempt !== undefined;
  }

  open(opening: CallOpening, observer: LineCallObserver): OpenCall {
    this.#count(1);
    const call = lineCall(
      this.#tunnel,
      { opening, observer },
      {
        over: () => {
          this.#count(-1);
        },
        lossBy: (reason, wasSent) => this.#lossBy(reason, wasSent),
      },
    );
    this.#need();
    return call;
  }

  /** Somebody looks again: what is waited for is tried now. */
  hurry(): void {
    if (this.#retryTimer.isSet) this.#connect();
  }

  /** The network is another: a connection over the old one may be dead without a word. */
  renew(): void {
    if (!this.#hasConnected) return;
    if (this.#isTrying) this.#giveUp(unavailable('the network has changed'));
    this.hurry();
  }

  close(why: CallStatus): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#failure = why;
    this.#stopTimers();
    if (this.#attempt?.connection === undefined) this.#attempt?.abandon();
    this.#attempt = undefined;
    this.#tunnel.close();
  }

  #count(change: 1 | -1): void {
    this.#calls += change;
    if (this.#calls <= 1) this.#hold();
  }

  #hold(): void {
    this.#attempt?.wire?.hold?.(this.#calls > 0);
  }

  /** Calls need a connection. */
  #need(): void {
    if (this.#isClosed || this.#connectedAt !== undefined || this.#tunnel.isSettled) return;
    this.#limitWait();
    if (!this.#isTrying && !this.#retryTimer.isSet) this.#connect();
  }

  #limitWait(): void {
    // Of a server that was never reached, the first attempt that fails is the end of the wait.
    if (!this.#hasConnected || this.#waitTimer.isSet) return;
    const { connectTimeoutMs } = this.#options;
    this.#waitTimer.set(connectTimeoutMs, () => {
      const none = lateText(connectTimeoutMs);
      const last = this.#failure?.message ?? none;
      this.#failure = unavailable(last.startsWith(none) ? none : `${none}: ${last}`);
      this.#tunnel.refuseWaiting('expired');
    });
  }

  #connect(): void {
    this.#retryTimer.clear();
    if (this.#tunnel.isSettled) {
      this.#idle();
      return;
    }
    const { connectTimeoutMs, dial } = this.#options;
    const attempt: Attempt = { abandon: () => undefined };
    this.#attempt = attempt;
    this.#attempts += 1;
    this.#tellTrying({});
    // Who was told may have closed it.
    if (this.#attempt !== attempt) return;
    this.#attemptTimer.set(connectTimeoutMs, () => {
      this.#giveUp(unavailable(lateText(connectTimeoutMs)));
    });
    try {
      attempt.abandon = dial({
        opened: (wire) => {
          attempt.wire = wire;
          this.#hold();
          attempt.connection = this.#tunnel.connected(wire);
          return attempt.connection;
        },
        failed: (why) => {
          if (this.#attempt === attempt) this.#down(why);
        },
      });
    } catch (error) {
      this.#down(unavailable(messageOf(error)));
    }
  }

  #connected(): void {
    this.#attemptTimer.clear();
    this.#waitTimer.clear();
    this.#attempts = 0;
    this.#failure = undefined;
    this.#hasConnected = true;
    this.#connectedAt = this.#options.connectScheduler.now();
    this.#observer.changed({ state: 'connected', attempt: 0 });
  }

  /** The present attempt, or the connection that it has become. */
  #giveUp(why: CallStatus): void {
    const attempt = this.#attempt;
    if (attempt?.connection === undefined) {
      attempt?.abandon();
      this.#down(why);
      return;
    }
    attempt.givenUp = why;
    attempt.wire?.close(1000, 'given up');
    attempt.connection.lost();
  }

  /** There is no connection, and no attempt. */
  #down(why: CallStatus): void {
    if (this.#isClosed) return;
    this.#attempt = undefined;
    this.#attemptTimer.clear();
    this.#failure = why;
    this.#refillIfUsed();
    if (isForGood(why)) {
      this.#isClosed = true;
      this.#idle();
      this.#tunnel.close();
      return;
    }
    if (!this.#hasConnected) this.#tunnel.refuseWaiting('expired');
    // Who was refused has closed it, or asked again at once.
    if (this.isClosed || this.#isTrying) return;
    if (this.#tunnel.isSettled) {
      this.#idle();
      return;
    }
    this.#limitWait();
    const retryInMs = this.#backoff.next();
    this.#retryTimer.set(retryInMs, () => {
      this.#connect();
    });
    this.#tellTrying({ retryInMs });
  }

  /** A connection was of use that carried something, or has stood for a while: runs may have nothing to say. */
  #refillIfUsed(): void {
    const now = this.#options.connectScheduler.now();
    const stoodMs = now - (this.#connectedAt ?? now);
    const { carried } = this.#tunnel;
    if (carried !== this.#carried || stoodMs >= longestBackoffMs) this.#backoff.refill();
    this.#carried = carried;
    this.#connectedAt = undefined;
  }

  #idle(): void {
    this.#stopTimers();
    this.#attempts = 0;
    this.#observer.changed({ state: 'idle', attempt: 0, ...this.#why() });
  }

  #stopTimers(): void {
    for (const timer of [this.#attemptTimer, this.#waitTimer, this.#retryTimer]) timer.clear();
  }

  #tellTrying(details: Pick<ConnectionStatus, 'retryInMs'>): void {
    const state = this.#hasConnected ? 'reconnecting' : 'connecting';
    this.#observer.changed({ state, attempt: this.#attempts, ...details, ...this.#why() });
  }

  #why(): Pick<ConnectionStatus, 'error'> {
    return this.#failure === undefined ? {} : { error: statusToError(this.#failure) };
  }

  #lossBy(reason: EndReason, wasSent: boolean): CallStatus {
    if (!wasSent) return this.#failure ?? unavailable(textOf(reason));
    const why = this.#failure === undefined ? '' : `: ${this.#failure.message}`;
    return unavailable(`${textOf(reason)}${why}`);
  }
}

function lateText(connectTimeoutMs: number): string {
  return `no connection came about within ${connectTimeoutMs} ms`;
}
