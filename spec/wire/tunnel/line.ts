import type { SchedulerLike } from 'rxjs';
import { joined } from '../../../lib/process/bytes.js';
import type { TunnelConnection, Wire } from '../../../lib/wire/tunnel/connection.js';

/** One direction of a line: packets come after a while, in order, and only as many bytes are under way as there is room. */
class Lane implements Wire {
  readonly sent: Uint8Array[] = [];
  closedWith: string | undefined;
  /** Who sends, and who receives. */
  from: TunnelConnection | undefined;
  to: TunnelConnection | undefined;
  #underWay = 0;
  /** When the last packet has left. */
  #freeAt = 0;
  readonly #line: Line;
  /** A line that has stopped delivers nothing, and tells nobody. */
  isStopped = false;

  constructor(line: Line) {
    this.#line = line;
  }

  #isFull(): boolean {
    return this.#underWay >= this.#line.roomBytes;
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#line.isOver) return false;
    const packet = joined(parts);
    this.sent.push(packet);
    this.#underWay += packet.length;
    const now = this.#line.scheduler.now();
    this.#freeAt = Math.max(this.#freeAt, now) + packet.length / this.#line.bytesPerMs;
    this.#line.scheduler.schedule(
      () => {
        if (this.#line.isOver || this.isStopped) return;
        const wasFull = this.#isFull();
        this.#underWay -= packet.length;
        // As it is read off a socket: in parts.
        const half = packet.length >> 1;
        this.to?.received([packet.subarray(0, half), packet.subarray(half)]);
        if (wasFull && !this.#isFull()) this.from?.drained();
      },
      this.#freeAt + this.#line.latencyMs - now,
    );
    return !this.#isFull();
  }

  close(code: number, reason: string): void {
    this.closedWith ??= `${code} ${reason}`;
    this.#line.close();
  }
}

/** A connection of two ends, on virtual time. */
export class Line {
  readonly scheduler: SchedulerLike;
  latencyMs = 1;
  roomBytes = 65_536;
  bytesPerMs: number = Infinity;
  isOver = false;
  readonly client: Lane = new Lane(this);
  readonly server: Lane = new Lane(this);

  constructor(scheduler: SchedulerLike) {
    this.scheduler = scheduler;
  }

  join(client: TunnelConnection, server: TunnelConnection): void {
    this.client.from = this.server.to = client;
    this.server.from = this.client.to = server;
  }

  /** What is under way is lost. */
  cut(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.from?.lost();
    this.server.from?.lost();
  }

  /** One end has closed it: what it sent before comes, then the other hears of it. */
  close(): void {
    this.scheduler.schedule(() => {
      this.cut();
    }, this.latencyMs + 1);
  }

  /** Nothing comes any more, and nobody is told. */
  stop(): void {
    this.client.isStopped = true;
    this.server.isStopped = true;
  }
}
