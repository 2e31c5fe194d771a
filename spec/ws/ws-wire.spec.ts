import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { WsWire } from '../../lib/ws/ws-wire.js';

const server = createServer();
const webSockets = new WebSocketServer({ noServer: true });
afterEach(() => {
  for (const webSocket of webSockets.clients) webSocket.terminate();
  server.close();
});

/** A client, and the server's end of its WebSocket, which goes over a wire. */
async function connected(): Promise<{ client: WebSocket; served: WebSocket }> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  const [request, socket, head] = (await once(server, 'upgrade')) as [
    IncomingMessage,
    Duplex,
    Buffer,
  ];
  const served = await new Promise<WebSocket>((resolve) => {
    webSockets.handleUpgrade(request, socket, head, resolve);
  });
  const ignore = (): void => undefined;
  new WsWire(served, socket, 'server').carry({ received: ignore, drained: ignore, lost: ignore });
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open');
  return { client, served };
}

describe('a wire', () => {
  it('is ended once, however often its client breaks the rules', async () => {
    const { client, served } = await connected();
    const before = served.listenerCount('close');
    const closing = once(client, 'close');
    let heard = 0;
    const all: Promise<void> = new Promise((resolve) => {
      served.on('message', () => {
        heard += 1;
        if (heard === 50) resolve();
      });
    });
    for (let index = 0; index < 50; index += 1) client.send('hello');
    await all;
    // One that ends it when its time is up.
    expect(served.listenerCount('close') - before).toBe(1);
    const [code] = (await closing) as [number];
    expect(code).toBe(1003);
  });
});
