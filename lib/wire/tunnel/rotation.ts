import type { PacketWriter } from './packet-writer.js';
import { Queue } from './queue.js';

/** Somebody who has frames to send. */
export interface Sender {
  /** It is in the rotation. */
  isQueued: boolean;
  /** The payload of its next frame, where there is one and it may be sent. */
  nextLength(): number | undefined;
  write(writer: PacketWriter): void;
}

/** Lets all who have something to send take turns of one frame. */
export class Rotation {
  readonly #senders: Queue<Sender> = new Queue();

  add(sender: Sender): void {
    if (sender.isQueued) return;
    sender.isQueued = true;
    this.#senders.push(sender);
  }

  /** Fills a packet as far as frames fit. Who can send nothing now leaves until it is added again. */
  fill(writer: PacketWriter): void {
    for (let first = this.#senders.at(0); first !== undefined; first = this.#senders.at(0)) {
      const length = first.nextLength();
      if (length !== undefined && !writer.fits(length)) return;
      this.#senders.shift();
      first.isQueued = false;
      if (length === undefined) continue;
      first.write(writer);
      if (first.nextLength() !== undefined) this.add(first);
    }
  }
}
