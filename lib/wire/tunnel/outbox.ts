import { lengthOf, type Parts } from '../../process/bytes.js';
import { Queue } from '../../process/queue.js';
import { TunnelViolation } from './end-reason.js';

/** The packets of this end that the other has not acknowledged, in their order. */
export class Outbox {
  readonly #packets: Queue<Parts> = new Queue();
  readonly #maxBytes: number;
  #bytes = 0;
  #acknowledged = 0;
  /** The last one that was given to the present connection. */
  #written = 0;
  /** The last one that was given to any. */
  #sent = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The number of the next packet. */
  get nextSeq(): number {
    return this.#acknowledged + this.#packets.length + 1;
  }

  /** The last one that the other end is known to have. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** What is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether one more packet may be made. */
  get hasRoom(): boolean {
    return this.#bytes < this.#maxBytes;
  }

  add(packet: Parts): void {
    this.#packets.push(packet);
    this.#bytes += lengthOf(packet);
  }

  /** The next packet that the present connection has not been given. */
  next(): Parts | undefined {
    const packet = this.#packets.at(this.#written - this.#acknowledged);
    if (packet !== undefined) this.#written += 1;
    this.#sent = Math.max(this.#sent, this.#written);
    return packet;
  }

  /** An old one tells nothing new. What came over an earlier connection is not sent again. */
  acknowledge(seq: number): void {
    if (seq > this.#sent) {
      const text = `packet ${seq} was acknowledged and ${this.#sent} sent`;
      throw new TunnelViolation('acknowledgement', text);
    }
    for (; this.#acknowledged < seq; this.#acknowledged += 1) {
      this.#bytes -= lengthOf(this.#packets.shift());
    }
    this.#written = Math.max(this.#written, this.#acknowledged);
  }

  /** Another connection, whose other end has received all up to `seq`. */
  rewind(seq: number): void {
    this.acknowledge(seq);
    if (seq < this.#acknowledged) {
      throw new TunnelViolation('acknowledgement', `packet ${seq} was said to be the last to come`);
    }
    this.#written = seq;
  }
}
