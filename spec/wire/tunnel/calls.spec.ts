import { describe, expect, it } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { joined } from '../../../lib/process/bytes.js';
import type { CallEnd } from '../../../lib/wire/tunnel/call.js';
import type { OpenCall } from '../../../lib/wire/tunnel/client-call.js';
import { ClientTunnel } from '../../../lib/wire/tunnel/client-tunnel.js';
import { TunnelServer } from '../../../lib/wire/tunnel/tunnel-server.js';
import { bytes, concat } from '../../support/bytes.js';
import { Line } from './line.js';
import { block, ok, Pair, same, text } from './pair.js';

const asText = (messages: readonly Uint8Array[]): string[] =>
  messages.map((message) => Buffer.from(message).toString());

describe('a call through a tunnel', () => {
  it('is answered: a unary one, with metadata, trailers and details both ways', () => {
    const pair = new Pair().ready();
    pair.onCall = (served) => {
      served.onHalfClosed = () => {
        served.call.headers({ 'x-server': 'here', 'x-bin': Uint8Array.of(0, 255) });
        served.call.send(text('answer'));
        served.call.end({ code: 0, message: 'fine', trailers: { 'x-end-bin': Uint8Array.of(7) } });
      };
    };
    const metadata = { __proto__x: 'a', 'y-bin': Uint8Array.of(1, 2, 3), 'z-bin': block(0) };
    const seen = pair.open({ method: '/a.B/C', metadata, timeoutMs: 1234 });
    seen.call.send(text('question'));
    seen.call.halfClose();
    pair.time.pass(10);
    expect(pair.served[0]?.opening).toEqual({ method: '/a.B/C', metadata, timeoutMs: 1234 });
    expect(pair.served[0]?.told).toEqual(['message of 8', 'half-closed']);
    expect(asText(pair.served[0]?.messages ?? [])).toEqual(['question']);
    expect(seen.told).toEqual([
      'opened {"x-server":"here","x-bin":{"0":0,"1":255}}',
      'message of 6',
      'end 0',
    ]);
    expect(seen.end).toEqual({
      ...{ code: 0, message: 'fine', trailers: { 'x-end-bin': Uint8Array.of(7) } },
    });
  });

  it('takes one packet each way, when all of it is there at once', () => {
    const pair = new Pair().ready();
    const [before, answered] = [pair.line.client.sent.length, pair.line.server.sent.length];
    pair.onCall = ({ call }) => {
      call.send(text('answer'));
      call.end(ok);
    };
    const seen = pair.open();
    seen.call.send(text('question'));
    seen.call.halfClose();
    pair.time.pass(5);
    expect(seen.told).toEqual(['message of 6', 'end 0']);
    expect(pair.line.client.sent.length - before).toBe(1);
    expect(pair.line.server.sent.length - answered).toBe(1);
  });

  it('carries messages both ways at any time, the empty one too, until the server ends it', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    served.onMessage = (message) => {
      served.call.send([bytes('<'), message, bytes('>')]);
    };
    for (const word of ['a', '', 'b']) seen.call.send(text(word));
    pair.time.pass(10);
    seen.call.send(text('c'));
    pair.time.pass(10);
    expect(asText(seen.messages)).toEqual(['<a>', '<>', '<b>', '<c>']);
    served.call.end({ code: 5, message: 'gone', trailers: {} });
    served.call.send(text('too late'));
    pair.time.pass(10);
    expect(seen.told.at(-1)).toBe('end 5');
    expect(seen.end?.message).toBe('gone');
    expect(seen.messages).toHaveLength(4);
  });

  it.each([1, 65_536, 66_560, 66_561, 1_000_000, 5_000_000])(
    'carries a message of %d bytes as it is',
    (length) => {
      const pair = new Pair().ready();
      const { seen, served } = pair.call();
      const cut = Math.floor(length / 3);
      const message = block(length);
      seen.call.send([message.subarray(0, cut), block(0), message.subarray(cut)]);
      served.call.send([message]);
      pair.time.pass(1000);
      expect(same(served.messages, [message])).toBe(true);
      expect(same(seen.messages, [message])).toBe(true);
      expect(Math.max(...pair.line.client.sent.map((packet) => packet.length))).toBeLessThan(
        66_560 + 64,
      );
    },
  );

  it('tells when a message is no longer needed', () => {
    const pair = new Pair({ limits: { windowBytes: 65_536 } }).ready();
    const { seen, served } = pair.call();
    served.call.pause(true);
    const accepted: number[] = [];
    const message = block(50_000);
    for (const index of [0, 1, 2]) seen.call.send([message], () => accepted.push(index));
    pair.time.pass(10);
    expect(accepted).toEqual([0]);
    message.fill(0);
    served.call.pause(false);
    pair.time.pass(10);
    expect(accepted).toEqual([0, 1, 2]);
    expect(same(served.messages.slice(0, 1), [block(50_000)])).toBe(true);
  });

  it('that is given up ends at the server, and its observer hears nothing more', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    served.call.send(text('a'));
    seen.call.cancel();
    seen.call.cancel();
    seen.call.send(text('after'));
    seen.call.halfClose();
    pair.time.pass(10);
    expect(seen.told).toEqual([]);
    expect(served.told).toEqual(['gone cancelled']);
    served.call.send(text('b'));
    served.call.end(ok);
    pair.time.pass(10);
    expect(served.told).toEqual(['gone cancelled']);
    expect(pair.call().served.told).toEqual([]);
  });

  it('that is given up while its end waits for credit leaves its stream free', () => {
    const pair = new Pair({ limits: { maxStreams: 1, windowBytes: 32_768 } }).ready();
    const { seen, served } = pair.call();
    seen.call.pause(true);
    for (let index = 0; index < 5; index += 1) served.call.send([block(20_000)]);
    served.call.end(ok);
    pair.time.pass(10);
    seen.call.cancel();
    pair.time.pass(10);
    expect(pair.call().seen.told).toEqual([]);
    expect(pair.told).toEqual(['connected']);
  });

  it('that is given up from within its message hears no other one', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    seen.onMessage = () => {
      seen.call.cancel();
    };
    served.call.send(text('a'));
    served.call.send(text('b'));
    pair.time.pass(10);
    expect(seen.told).toEqual(['message of 1']);
  });

  it('that is given up before it was sent never reaches the server', () => {
    const pair = new Pair();
    const seen = pair.open();
    seen.call.cancel();
    pair.open();
    pair.ready();
    expect(pair.served).toHaveLength(1);
    expect(seen.told).toEqual([]);
  });

  it('waits for its stream where the server takes no more, in the order of opening', () => {
    const pair = new Pair({ limits: { maxStreams: 2 } }).ready();
    const calls = ['a', 'b', 'c', 'd'].map((name) => pair.open({ method: name }));
    pair.time.pass(10);
    const methods = (): string[] => pair.served.map(({ opening }) => opening.method);
    expect(methods()).toEqual(['a', 'b']);
    calls[1]?.call.cancel();
    pair.time.pass(10);
    expect(methods()).toEqual(['a', 'b', 'c']);
    pair.served[0]?.call.end(ok);
    pair.time.pass(10);
    expect(methods()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('keeps its messages while it is paused, and its end after them', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    seen.call.pause(true);
    seen.onMessage = ([first]) => {
      seen.call.pause(first === 2);
    };
    for (const value of [1, 2, 3]) served.call.send([Uint8Array.of(value)]);
    served.call.end(ok);
    pair.time.pass(10);
    expect(seen.told).toEqual([]);
    seen.call.pause(false);
    expect(concat(seen.messages)).toEqual(Uint8Array.of(1, 2));
    seen.call.pause(false);
    expect(concat(seen.messages)).toEqual(Uint8Array.of(1, 2, 3));
    expect(seen.told.at(-1)).toBe('end 0');
  });

  it('is cut short by its server, also after its end, and what was not sent is left out', () => {
    const pair = new Pair({ limits: { windowBytes: 32_768 } }).ready();
    const { seen, served } = pair.call();
    const left: string[] = [];
    seen.call.pause(true);
    served.call.send(text('first'));
    served.call.send([block(100_000)]);
    served.call.end(ok, () => left.push('left'));
    pair.time.pass(100);
    expect(left).toEqual([]);
    served.call.cut({ code: 4, message: 'late', trailers: {} });
    pair.time.pass(100);
    expect(left).toEqual(['left']);
    served.call.cut(ok);
    seen.call.pause(false);
    pair.time.pass(100);
    expect(seen.told).toEqual(['message of 5', 'end 4']);
    expect(pair.told).toEqual(['connected']);
  });

  it.each<readonly [string, (call: OpenCall, pair: Pair) => void]>([
    ['was sent', (call) => call.pause(false)],
    ['is given up', (call) => call.cancel()],
    ['is lost', (_, pair) => pair.client.close()],
  ])('has left its server when it %s', (_, act) => {
    const pair = new Pair({ limits: { windowBytes: 32_768 } }).ready();
    const { seen, served } = pair.call();
    const left: string[] = [];
    seen.call.pause(true);
    for (const message of [text('first'), [block(100_000)]]) served.call.send(message);
    served.call.end(ok, () => left.push('left'));
    pair.time.pass(100);
    expect(left).toEqual([]);
    act(seen.call, pair);
    pair.time.pass(100);
    expect(left).toEqual(['left']);
  });

  it('fails by itself where it sends more than the other end takes, and no other call with it', () => {
    const serverLimits = { maxMessageBytes: 2000, maxMetadataBytes: 1024 };
    const pair = new Pair({ limits: {}, serverLimits });
    const early = pair.open();
    early.call.send([block(2001)]);
    const fat = pair.open({ metadata: { key: 'x'.repeat(1100) } });
    const { seen, served } = pair.ready().call();
    const late = pair.call();
    late.seen.call.send([block(2000)]);
    pair.time.pass(10);
    late.seen.call.send([block(1000), block(1001)]);
    pair.time.pass(10);
    for (const one of [early, fat, late.seen]) expect(one.told).toEqual(['end 8']);
    expect(late.served.told).toEqual(['message of 2000', 'gone cancelled']);
    expect(pair.served).toHaveLength(2);
    served.call.send(text('well'));
    pair.time.pass(10);
    expect(seen.told).toEqual(['message of 4']);
  });

  it('of a server that says too much: an end is told in short, a message and headers fail it', () => {
    const pair = new Pair({ limits: { maxMetadataBytes: 1024, maxMessageBytes: 2000 } }).ready();
    const [first, second, third] = [pair.call(), pair.call(), pair.call()];
    first.served.call.end({
      ...{ code: 9, message: 'm'.repeat(3000), trailers: { 'x-bin': block(3000) } },
    });
    second.served.call.send([block(2001)]);
    third.served.call.headers({ x: 'x'.repeat(2000) });
    pair.time.pass(10);
    expect(first.seen.end).toEqual({ code: 9, message: 'm'.repeat(256), trailers: {} });
    for (const { seen, served } of [second, third]) {
      expect(seen.told).toEqual(['end 8']);
      expect(served.told).toEqual(['gone limit']);
    }
  });
});

it('a tunnel keeps the time of the clock on the wall where it is given no other', async () => {
  const told: string[] = [];
  const server = new TunnelServer();
  const client = new ClientTunnel({
    observer: {
      connected: () => told.push('connected'),
      disconnected: () => told.push('disconnected'),
      latency: () => undefined,
      draining: () => undefined,
    },
  });
  const line = new Line(asyncScheduler);
  const served = server.accept(line.server, {
    name: 'somebody',
    serve: (call) => ({
      message: (message) => {
        call.send(message);
        call.end(ok);
      },
      halfClosed: () => undefined,
      gone: () => undefined,
    }),
  });
  line.join(client.connected(line.client), served);
  const messages: Uint8Array[] = [];
  const end = await new Promise<CallEnd>((resolve, reject) => {
    const call = client.open(
      { method: '/s/m', metadata: {} },
      {
        opened: () => undefined,
        message: (parts) => messages.push(joined(parts)),
        end: resolve,
        lost: (reason) => {
          reject(new Error(reason));
        },
      },
    );
    call.send(text('there and back'));
  });
  expect(end).toEqual(ok);
  expect(asText(messages)).toEqual(['there and back']);
  client.close();
  server.close();
  line.cut();
  expect(told).toEqual(['connected', 'disconnected']);
});
