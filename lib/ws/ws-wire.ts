import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { lengthOf, type Parts } from '../process/bytes.js';
import type { TunnelConnection, Wire } from '../wire/tunnel/connection.js';
import { BinaryFrames } from './binary-frames.js';
import { frameHead } from './frame-head.js';
import { MaskedFrames } from './masked-frames.js';
import { Room } from './room.js';

/** So long a client may take to say that it has closed its end too: one that is not there never does. */
const closeMs = 2000;

/** What an answer to a ping takes beside its bytes, of which there may be none. */
const pongCost = 512;

/** What a wire is made of. */
export interface WsWireParts {
  readonly webSocket: WebSocket;
  /** What it goes over. */
  readonly socket: Duplex;
  readonly end: 'client' | 'server';
  /** The longest message that the other end may send. */
  readonly maxBytes: number;
}

/** Sent messages of one turn of the event loop go out in one write, unless there are many bytes of them. */
export class WsWire implements Wire {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  /** No extension changes frames: then messages are written and read here, for `ws` needs them in one piece. */
  readonly #isPlain: boolean;
  /** Whose the other end is. */
  readonly #from: 'client' | 'server';
  readonly #maxBytes: number;
  readonly #masked: MaskedFrames = new MaskedFrames();
  #connection: TunnelConnection | undefined;
  /** What is sent beyond it waits where the turns are taken. */
  readonly #room: Room = new Room(() => performance.now());
  #isCorked = false;
  #isEnding = false;

  constructor({ webSocket, socket, end, maxBytes }: WsWireParts) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#isPlain = webSocket.extensions === '';
    this.#from = end === 'server' ? 'client' : 'server';
    this.#maxBytes = maxBytes;
  }

  /** The client is behind. */
  get isFull(): boolean {
    return this.#room.isFull;
  }

  /** Tells the connection what comes. */
  carry(connection: TunnelConnection): void {
    this.#connection = connection;
    const webSocket = this.#webSocket;
    webSocket.on('message', (data, isBinary) => {
      // What comes of one read are views of it, which nobody writes to any more.
      if (isBinary && data instanceof Uint8Array) connection.received([data]);
      else this.#end(1003, 'binary messages only');
    });
    if (this.#isPlain) this.#readFrames(connection);
    webSocket.on('ping', (data) => {
      // One who asks and does not read would fill the memory with answers.
      if (!this.isFull) webSocket.pong(data, false, this.#taken(data.length + pongCost));
    });
    webSocket.on('error', () => {
      // The client broke the protocol, and is told so; or the connection broke.
      this.#hurry();
    });
    webSocket.once('close', () => {
      connection.lost();
    });
  }

  /** Takes the messages itself, as far as they are of one frame, and leaves the rest to `ws`. */
  #readFrames(connection: TunnelConnection): void {
    const socket = this.#socket;
    const [theirs, ...others] = socket.listeners('data');
    // It reads in another way than the one that is known: then it has all of it.
    if (theirs === undefined || others.length > 0) return;
    const frames = new BinaryFrames(
      { from: this.#from, maxBytes: this.#maxBytes },
      {
        message: (parts) => {
          connection.received(parts);
        },
        other: (bytes) => {
          Reflect.apply(theirs, socket, [
            Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          ]);
        },
      },
    );
    const read = (chunk: Buffer): void => {
      frames.read(chunk);
    };
    const stop = (): void => {
      frames.stop();
    };
    socket.off('data', theirs as typeof read).on('data', read);
    this.#webSocket.once('error', stop).once('close', stop);
  }

  send(packet: Parts): boolean {
    const length = lengthOf(packet);
    const taken = this.#taken(length);
    this.#cork();
    const { readyState, OPEN } = this.#webSocket;
    if (!this.#isPlain || readyState !== OPEN) this.#webSocket.send(Buffer.concat(packet), taken);
    else if (this.#from === 'client') this.#write([frameHead(length), ...packet], taken);
    else this.#writeMasked(packet, taken);
    if (this.isFull) this.#uncork();
    return !this.isFull;
  }

  close(code: number, reason: string): void {
    this.#end(code, reason);
    this.#uncork();
  }

  #writeMasked(packet: Parts, taken: () => void): void {
    const frame = this.#masked.frame(packet);
    this.#socket.write(frame, () => {
      this.#masked.release(frame);
      taken();
    });
  }

  #write(parts: Parts, taken: () => void): void {
    const last = parts.length - 1;
    parts.forEach((part, at) => this.#socket.write(part, at === last ? taken : undefined));
  }

  #end(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
    this.#hurry();
  }

  /** A client can break the protocol as often as it likes: the first time counts. */
  #hurry(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const webSocket = this.#webSocket;
    const timer = setTimeout(() => {
      webSocket.terminate();
    }, closeMs);
    webSocket.once('close', () => {
      clearTimeout(timer);
    });
  }

  /**
   * Counts what is under way until the connection has it. No more is sent in the same turn of the event loop: a system that
   * takes all of it at once would be filled to the brim, and then take it by and by.
   */
  #taken(length: number): () => void {
    this.#room.take(length);
    return () => {
      if (this.#room.give(length)) setImmediate(() => this.#connection?.drained());
    };
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#uncork();
    });
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket.uncork();
  }
}
