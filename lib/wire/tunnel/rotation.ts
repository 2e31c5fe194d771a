import { LinkedList, type Link } from '../../process/linked-list.js';
import type { PacketWriter } from './packet-writer.js';

/** Somebody who has frames to send. */
export interface Sender {
  /** Its turn. */
  readonly turn: Link<Sender>;
  /** The payload of its next frame, where there is one and it may be sent. */
  nextLength(): number | undefined;
  write(writer: PacketWriter): void;
}

/** Lets all who have something to send take turns of one frame. */
export class Rotation {
  /** In the order of their turns. */
  readonly #senders: LinkedList<Sender> = new LinkedList();

  /** Whoever waits for a turn already keeps it. */
  add(sender: Sender): void {
    this.#senders.add(sender.turn);
  }

  /** It has nothing to send any more. */
  delete(sender: Sender): void {
    this.#senders.delete(sender.turn);
  }

  /** Fills a packet as far as frames fit. Who can send nothing now leaves until it is added again. */
  fill(writer: PacketWriter): void {
    // Those that are added meanwhile have their turn too.
    for (let sender = this.#senders.first; sender !== undefined; sender = this.#senders.first) {
      const length = sender.nextLength();
      if (length !== undefined && !writer.fits(length)) return;
      this.#senders.delete(sender.turn);
      if (length === undefined) continue;
      sender.write(writer);
      if (sender.nextLength() !== undefined) this.#senders.add(sender.turn);
    }
  }
}
