import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { BehaviorSubject, filter, firstValueFrom } from 'rxjs';
import { elapsed } from '../contract/kit.js';

/** Which way bytes go. */
export type Direction = 'toHost' | 'toClient';

/** How a connection ends: as when a machine crashes, or in good order, as when a proxy is restarted. */
export type CutKind = 'reset' | 'end';

/** Where a connection is cut: when so many bytes have passed in a direction. */
export interface CutPoint {
  readonly direction: Direction;
  readonly bytes: number;
  readonly kind: CutKind;
  /** No connection is taken after it. */
  readonly forGood: boolean;
}

/** What is forwarded in one direction of a connection. */
interface OneWay {
  readonly to: Socket;
  readonly direction: Direction;
  readonly isSilent$: BehaviorSubject<boolean>;
}

/** One that is ending already is not to be reset: Node would forget it without closing it, and never exit. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** A TCP proxy before a host, on which things go wrong. */
export class FaultyWay {
  /** So long each piece is held up, in milliseconds. */
  delayMs = 0;
  /** Forwards one byte a turn. */
  drips = false;
  /** Takes no new connections. */
  refuses = false;
  /** Bytes that have passed, of all connections. */
  readonly passed: Record<Direction, number> = { toHost: 0, toClient: 0 };
  /** So often it was cut by `cutAt`. */
  cuts = 0;
  #hostPort: number;
  readonly #server: Server;
  readonly #open: Set<Socket> = new Set();
  /** Of the connections that are made now. */
  #isSilent$: BehaviorSubject<boolean> = new BehaviorSubject(false);
  #cutPoint: CutPoint | undefined;

  private constructor(hostUrl: string) {
    this.#hostPort = Number(new URL(hostUrl).port);
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      this.#connected(near);
    });
  }

  static async to(hostUrl: string): Promise<FaultyWay> {
    const way = new FaultyWay(hostUrl);
    way.#server.listen(0, '127.0.0.1');
    await once(way.#server, 'listening');
    return way;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Connections that go on. */
  get connections(): number {
    return this.#open.size / 2;
  }

  /** Leads to another host, on connections that are made from now on. */
  redirect(hostUrl: string): void {
    this.#hostPort = Number(new URL(hostUrl).port);
  }

  /** Cuts what there is, once, when so many bytes have passed. */
  cutAt(point: CutPoint): void {
    this.#cutPoint = point;
  }

  /** Cuts all connections now. */
  cut(kind: CutKind): void {
    for (const socket of this.#open)
      if (kind === 'reset') reset(socket);
      else socket.destroySoon();
  }

  /** Forwards nothing more and tells nobody, as when a NAT forgets a connection, until `speak()`. */
  fallSilent(): void {
    this.#isSilent$.next(true);
  }

  /** Stays silent on the connections that there are, and forwards for others. */
  forgetAll(): void {
    this.#isSilent$ = new BehaviorSubject(false);
  }

  /** Forwards again, also what came meanwhile. */
  speak(): void {
    this.#isSilent$.next(false);
  }

  close(): void {
    this.#server.close();
    this.#isSilent$.complete();
    for (const socket of this.#open) socket.destroy();
  }

  #connected(near: Socket): void {
    if (this.refuses) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#hostPort, host: '127.0.0.1', allowHalfOpen: true });
    far.setNoDelay();
    const isSilent$ = this.#isSilent$;
    void this.#forward(near, { to: far, direction: 'toHost', isSilent$ });
    void this.#forward(far, { to: near, direction: 'toClient', isSilent$ });
  }

  /** Until it ends or breaks; then the other one does. */
  async #forward(from: Socket, way: OneWay): Promise<void> {
    const { to, isSilent$ } = way;
    this.#open.add(from);
    from.on('error', ignore);
    // One that is cut while it connects tells an error first.
    const gone = once(from, 'close')
      .catch(ignore)
      .then(() => this.#open.delete(from));
    try {
      for await (const chunk of from) {
        const data = chunk as Buffer;
        const size = this.drips ? 1 : data.length;
        for (let at = 0; at < data.length; at += size)
          await this.#pass(data.subarray(at, at + size), way);
      }
      await hearable(isSilent$);
      to.end();
      await gone;
    } catch {
      // It broke, or was cut here.
    }
    await hearable(isSilent$).catch(() => undefined);
    to.destroySoon();
  }

  async #pass(piece: Buffer, { to, direction, isSilent$ }: OneWay): Promise<void> {
    if (this.delayMs > 0) await elapsed(this.delayMs);
    if (this.drips) await turn();
    await hearable(isSilent$);
    const left = this.#leftUntilCut(direction);
    await written(to, piece.subarray(0, left));
    this.passed[direction] += Math.min(left, piece.length);
    if (left > piece.length) return;
    const { kind = 'reset', forGood = false } = this.#cutPoint ?? {};
    this.#cutPoint = undefined;
    this.refuses ||= forGood;
    this.cuts += 1;
    this.cut(kind);
  }

  #leftUntilCut(direction: Direction): number {
    if (this.#cutPoint?.direction !== direction) return Infinity;
    return Math.max(0, this.#cutPoint.bytes - this.passed[direction]);
  }
}

function hearable(isSilent$: BehaviorSubject<boolean>): Promise<unknown> {
  return firstValueFrom(isSilent$.pipe(filter((isSilent) => !isSilent)));
}

/** Settles when it was handed on, or cannot be. */
function written(to: Socket, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (!to.writable) resolve();
    else to.write(data, () => resolve());
  });
}

function ignore(): void {
  // It is closed then, which is heard of.
}
