import { joined, type Parts } from '../../../process/bytes.js';
import { closeCodeOf } from '../../../wire/tunnel/end-reason.js';
import type { TunnelConnection } from '../../../wire/tunnel/connection.js';
import type { Dial, DialedWire } from './dial.js';
import { unavailable } from './loss.js';

/** What is used of a runtime's WebSocket. */
interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
}

/** Where to connect, asked anew each time. */
export type WebSocketTarget = () => { readonly url: string; readonly protocols: string[] };

/** As much may be under way. More than in Node, because nobody tells when it has gone: it is looked at now and then. */
const roomBytes = 524_288;
/** The shortest time that browsers wait: with it, `roomBytes` are 125 MiB a second. */
const pollMs = 4;

/** What a page may close with beside 1000. */
const firstOwnCode = 3000;

/** Connects by the WebSocket of the runtime. */
export function webSocketDial(target: WebSocketTarget): Dial {
  return (observer) => {
    const { url, protocols } = target();
    const socket = new WebSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      const wire = new WebSocketWire(socket);
      wire.carry(observer.opened(wire));
    };
    socket.onclose = () => {
      // A page is not told why.
      const { host } = new URL(url);
      observer.failed(unavailable(`there is no connection to ${host}, or it was refused`));
    };
    return () => {
      socket.onopen = null;
      socket.onclose = null;
      socket.close();
    };
  };
}

class WebSocketWire implements DialedWire {
  readonly #socket: WebSocketLike;
  #connection: TunnelConnection | undefined;
  #poll: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocketLike) {
    this.#socket = socket;
  }

  carry(connection: TunnelConnection): void {
    this.#connection = connection;
    const socket = this.#socket;
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (!(data instanceof ArrayBuffer)) {
        this.close(closeCodeOf('malformed'), 'binary messages only');
        return;
      }
      connection.received([new Uint8Array(data)]);
      // Timers are slow in a page that nobody sees; what comes acknowledges what was sent.
      if (this.#poll !== undefined) this.#look();
    };
    socket.onclose = () => {
      clearTimeout(this.#poll);
      connection.lost();
    };
  }

  send(packet: Parts): boolean {
    this.#socket.send(joined(packet));
    if (this.#isFull() && this.#poll === undefined) this.#wait();
    return this.#poll === undefined;
  }

  close(code: number, reason: string): void {
    clearTimeout(this.#poll);
    this.#socket.close(code >= firstOwnCode ? code : 1000, reason);
  }

  #isFull(): boolean {
    return this.#socket.bufferedAmount >= roomBytes;
  }

  #wait(): void {
    this.#poll = setTimeout(() => {
      this.#look();
    }, pollMs);
  }

  #look(): void {
    clearTimeout(this.#poll);
    if (this.#isFull()) {
      this.#wait();
      return;
    }
    this.#poll = undefined;
    this.#connection?.drained();
  }
}
