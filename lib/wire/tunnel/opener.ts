import { Link, LinkedList } from '../../process/linked-list.js';
import type { ClientCall } from './client-call.js';
import type { EndReason } from './end-reason.js';
import type { PacketWriter } from './packet-writer.js';
import type { Sender } from './rotation.js';
import type { Session } from './session.js';

/** The calls that have not been sent: they wait for a session, and for a stream to be free in it. */
export class Opener implements Sender {
  readonly turn: Link<Sender> = new Link(this);
  readonly #waiting: LinkedList<ClientCall> = new LinkedList();
  readonly #exhausted: (session: Session) => void;
  #session: Session | undefined;

  /** `exhausted` is told when a session has had as many calls as it may. */
  constructor(exhausted: (session: Session) => void) {
    this.#exhausted = exhausted;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Opens calls in a session from now on; `undefined`: in none. */
  use(session: Session | undefined): void {
    this.#session = session;
    this.wake();
  }

  add(call: ClientCall): void {
    this.#waiting.add(call.waiting);
    this.wake();
  }

  drop(call: ClientCall): void {
    this.#waiting.delete(call.waiting);
  }

  /** Ends all that wait. They can be made again. */
  refuse(reason: EndReason): void {
    const calls = this.#waiting.takeAll();
    for (const call of calls) call.lost(reason, false);
  }

  wake(): void {
    if (this.#waiting.size > 0) this.#session?.wake(this);
  }

  nextLength(): number | undefined {
    const session = this.#session;
    if (session === undefined || session.openCalls >= session.peer.maxStreams) return undefined;
    // One that is refused leaves.
    for (let call = this.#waiting.first; call !== undefined; call = this.#waiting.first) {
      if (!call.isRefused(session.peer)) return call.openLength;
    }
    return undefined;
  }

  write(writer: PacketWriter): void {
    const session = this.#session;
    const call = this.#waiting.first;
    if (session === undefined || call === undefined) return;
    this.#waiting.delete(call.waiting);
    const stream = session.lastStream + 1;
    session.add(stream, call);
    call.open(stream, session, writer);
    if (stream >= session.limits.maxCalls) this.#exhausted(session);
  }
}
