import { Timer, type Clock } from './clock.js';
import { TunnelViolation } from './end-reason.js';

/** When to tell the other end what has come. */
export interface AcknowledgingOptions {
  readonly clock: Clock;
  /** So late at the latest. */
  readonly delayMs: number;
  /** At once when as many bytes have come. */
  readonly bytes: number;
  /** It is time. */
  readonly due: () => void;
}

/** The packets of the other end: their order, and their acknowledgement. */
export class Acknowledging {
  readonly #options: AcknowledgingOptions;
  readonly #timer: Timer;
  #received = 0;
  #bytes = 0;
  #isDue = false;

  constructor(options: AcknowledgingOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock.scheduler);
  }

  /** The last packet that came. */
  get received(): number {
    return this.#received;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  receive(seq: number, bytes: number): void {
    if (seq !== this.#received + 1) {
      throw new TunnelViolation('sequence', `packet ${seq} came after ${this.#received}`);
    }
    this.#received = seq;
    this.#bytes += bytes;
    if (this.#bytes >= this.#options.bytes) this.#tell();
    else if (!this.#isDue && !this.#timer.isSet)
      this.#timer.set(this.#options.delayMs, () => {
        if (this.#bytes > 0) this.#tell();
      });
  }

  /** It goes out now: with another packet, or by itself. The timer runs on, which costs less than to set it each time. */
  take(): number {
    this.#isDue = false;
    this.#bytes = 0;
    return this.#received;
  }

  stop(): void {
    this.#timer.clear();
  }

  #tell(): void {
    this.#isDue = true;
    this.#options.due();
  }
}
