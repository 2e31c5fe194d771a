import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { WsWire } from '../../lib/ws/ws-wire.js';
import { concat } from '../support/bytes.js';

const server = createServer();
const webSockets = new WebSocketServer({ noServer: true, maxPayload: 100_000, autoPong: false });
afterEach(() => {
  for (const webSocket of webSockets.clients) webSocket.terminate();
  server.close();
});

const ignore = (): void => undefined;

/** A client and what it goes over, and the server's end of its WebSocket, which goes over a wire; `packets`: what came. */
async function connected(): Promise<{
  client: WebSocket;
  clientSocket: Duplex;
  served: WebSocket;
  socket: Duplex;
  wire: WsWire;
  packets: Uint8Array[];
}> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  const upgraded = once(client, 'upgrade');
  const [request, socket, head] = (await once(server, 'upgrade')) as [
    IncomingMessage,
    Duplex,
    Buffer,
  ];
  const served = await new Promise<WebSocket>((resolve) => {
    webSockets.handleUpgrade(request, socket, head, resolve);
  });
  const packets: Uint8Array[] = [];
  const received = (parts: readonly Uint8Array[]): unknown => packets.push(concat(parts));
  const wire = new WsWire({ webSocket: served, socket, end: 'server', maxBytes: 100_000 });
  wire.carry({ received, drained: ignore, lost: ignore });
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open');
  const [{ socket: clientSocket }] = (await upgraded) as [IncomingMessage];
  return { client, clientSocket, served, socket, wire, packets };
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

  it('carries messages past `ws`, which sees to the rest of the protocol', async () => {
    const { client, served, wire, packets } = await connected();
    let heardByWs = 0;
    served.on('message', () => (heardByWs += 1));
    const came: Buffer[] = [];
    client.on('message', (data) => {
      came.push(data as Buffer);
      client.send(data as Buffer, { mask: true });
    });
    const large = Buffer.alloc(90_000, 'large');
    wire.send([large.subarray(0, 50_000), large.subarray(50_000)]);
    wire.send([Buffer.from('small')]);
    client.ping('still there?');
    const [answer] = (await once(client, 'pong')) as [Buffer];
    expect(answer.toString()).toBe('still there?');
    // In two frames, it is for `ws` to put together.
    client.send('in ', { binary: true, fin: false });
    client.send('two', { binary: true });
    const closed = once(served, 'close');
    wire.close(4001, 'enough');
    expect(await closed).toEqual([4001, Buffer.from('enough')]);
    expect(concat(came)).toEqual(new Uint8Array(concat([large, Buffer.from('small')])));
    expect(Buffer.compare(packets[0] ?? Buffer.alloc(0), large)).toBe(0);
    expect(packets.slice(1).map((packet) => Buffer.from(packet).toString())).toEqual([
      'small',
      'in two',
    ]);
    expect(heardByWs).toBe(1);
  });

  it('has few answers under way to who asks and does not read, also where they are empty', async () => {
    const { client, served, socket, wire } = await connected();
    const answers: string[] = [];
    client.on('pong', (data) => answers.push(data.toString()));
    let asked = 0;
    const all: Promise<void> = new Promise((resolve) => {
      served.on('ping', () => {
        asked += 1;
        if (asked === 10_000) resolve();
      });
    });
    // Nothing goes out any more.
    socket.cork();
    for (let index = 0; index < 10_000; index += 1) client.ping();
    await all;
    expect(wire.isFull).toBe(true);
    socket.uncork();
    while (wire.isFull) await turn();
    client.ping('now?');
    while (!answers.includes('now?')) await turn();
    expect(answers.length).toBeLessThan(1000);
  });

  it('leaves a message that is too long to `ws`, which refuses it', async () => {
    const { client, packets } = await connected();
    client.send(Buffer.alloc(100_001));
    const [code] = (await once(client, 'close')) as [number];
    expect(code).toBe(1009);
    expect(packets).toEqual([]);
  });

  it('of a client hides what it sends, and does not write over what is still under way', async () => {
    const { client, clientSocket: socket, packets } = await connected();
    const wire = new WsWire({ webSocket: client, socket, end: 'client', maxBytes: 1024 });
    wire.carry({ received: ignore, drained: ignore, lost: ignore });
    const sizes = [0, 1, 100, 20_000, 66_000, 69_600, 69_632, 99_999];
    const sent = Array.from({ length: 200 }, (_, index) =>
      Buffer.alloc(sizes[index % sizes.length] ?? 0, index),
    );
    // More than sockets take at once.
    for (const packet of sent) {
      const at = packet.length >> 2;
      wire.send([packet.subarray(0, at), packet.subarray(at)]);
    }
    // An answer to what was sent last.
    client.ping();
    await once(client, 'pong');
    expect(packets.map((packet, index) => Buffer.compare(packet, sent[index] ?? packet))).toEqual(
      sent.map(() => 0),
    );
  });
});
