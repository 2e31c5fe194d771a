import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';
import type { CallStatus } from '../../../wire/grpc-code.js';
import type { Wire } from '../../../wire/tunnel/connection.js';
import { WsWire } from '../../../ws/ws-wire.js';
import type { Dial, DialedWire } from '../tunnel/dial.js';
import { statusOfAnswer, unavailable } from '../tunnel/loss.js';

/** Where to connect and how, asked anew each time. */
export type WsTarget = () => {
  readonly url: string;
  readonly protocols: string[];
  readonly options: ClientOptions;
};

/** Of what a server says that refuses, as much is shown. */
const longestAnswer = 256;

/** Connects by `ws`. */
export function wsDial(target: WsTarget): Dial {
  return (observer) => {
    const { url, protocols, options } = target();
    const { maxPayload: maxBytes = Infinity } = options;
    const webSocket = new WebSocket(url, protocols, {
      ...options,
      perMessageDeflate: false,
      autoPong: false,
    });
    let isTold = false;
    const fail = (why: CallStatus): void => {
      if (!isTold) observer.failed(why);
      isTold = true;
    };
    webSocket.on('error', ({ message }) => {
      fail(unavailable(message));
    });
    webSocket.once('unexpected-response', (_request, response) => {
      void textOf(response).then((text) => {
        fail(statusOfAnswer(response.statusCode ?? 0, text));
        webSocket.terminate();
      });
    });
    webSocket.once('upgrade', ({ socket }) => {
      webSocket.once('open', () => {
        if (isTold) return;
        isTold = true;
        const wire = new WsWire({ webSocket, socket, end: 'client', maxBytes });
        wire.carry(observer.opened(holding(wire, socket)));
      });
    });
    return () => {
      isTold = true;
      webSocket.terminate();
    };
  };
}

/** The program goes on as long as calls do, and not for an idle connection. */
function holding(wire: Wire, socket: Socket): DialedWire {
  return {
    send: (packet) => wire.send(packet),
    close: (code, reason) => {
      wire.close(code, reason);
    },
    hold: (isNeeded) => {
      if (isNeeded) socket.ref();
      else socket.unref();
    },
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > longestAnswer) break;
    }
  } catch {
    // The status says enough.
  }
  return text.slice(0, longestAnswer);
}
