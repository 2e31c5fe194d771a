import { Timer, type Clock } from './clock.js';

/** How a connection is kept an eye on. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** How many in a row may stay without a word. */
  readonly missed: number;
  /** A ping is due. */
  readonly due: () => void;
  /** The other end is given up. */
  readonly silent: () => void;
}

/**
 * Asks the other end at intervals whether it is there. It counts intervals rather than time: a page that was asleep looks
 * at what has come meanwhile before it gives up.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: Timer;
  #number = 0;
  #isDue = false;
  #sentAt: number | undefined;
  #missed = 0;
  #shortestMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock.scheduler);
  }

  /** The shortest time that a ping took to be answered. */
  get roundTripMs(): number | undefined {
    return this.#shortestMs;
  }

  start(): void {
    this.#ask();
  }

  /** Something came. */
  heard(): void {
    this.#missed = 0;
  }

  /** The number of the ping that is due; 0: none. */
  take(): number {
    if (!this.#isDue) return 0;
    this.#isDue = false;
    this.#sentAt = this.#options.clock.scheduler.now();
    return this.#number;
  }

  /** A ping was answered. Gives how long it took, unless it is an old one. */
  answered(number: number): number | undefined {
    if (number !== this.#number || this.#sentAt === undefined) return undefined;
    const took = this.#options.clock.scheduler.now() - this.#sentAt;
    this.#sentAt = undefined;
    this.#shortestMs = Math.min(took, this.#shortestMs ?? took);
    return took;
  }

  stop(): void {
    this.#timer.clear();
  }

  #ask(): void {
    this.#number = (this.#number % 0xffff_ffff) + 1;
    this.#isDue = true;
    this.#sentAt = undefined;
    this.#options.due();
    this.#timer.set(this.#options.intervalMs, () => {
      this.#missed += 1;
      if (this.#missed > this.#options.missed) this.#options.silent();
      else this.#ask();
    });
  }
}
