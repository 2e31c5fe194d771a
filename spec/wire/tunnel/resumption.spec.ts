import { describe, expect, it } from '@jest/globals';
import { block, ok, Pair, same, text } from './pair.js';

describe('a tunnel whose connection is lost', () => {
  it('goes on over another one, where it was, with nothing lost and nothing twice', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    for (let index = 0; index < 20; index += 1) {
      served.call.send([block(1000, index)]);
      seen.call.send([block(3000, index)]);
      // Cut before anything comes, after, between acknowledgements.
      pair.time.pass(index % 4);
      pair.line.cut();
      served.call.send([block(10, index)]);
      pair.time.pass(5);
      pair.connect();
      pair.time.pass(index % 3);
    }
    served.call.end(ok);
    pair.time.pass(50);
    const sent = Array.from({ length: 20 }, (_, index) => [block(1000, index), block(10, index)]);
    expect(same(seen.messages, sent.flat())).toBe(true);
    expect(
      same(
        served.messages,
        Array.from({ length: 20 }, (_, index) => block(3000, index)),
      ),
    ).toBe(true);
    expect(seen.told.at(-1)).toBe('end 0');
    expect(pair.told.filter((told) => told === 'connected')).toHaveLength(1);
    expect(pair.server.sessions).toBe(1);
  });

  it('tells credit again that was lost with it', () => {
    const pair = new Pair({ limits: { windowBytes: 65_536, maxGrowthBytes: 0 } }).ready();
    const { seen, served } = pair.call();
    const count = 40;
    for (let index = 0; index < count; index += 1) served.call.send([block(8000, index)]);
    // Each time what the client gives is lost, and what the server sends has come.
    while (seen.messages.length < count) {
      const before = seen.messages.length;
      pair.time.pass(1);
      pair.line.client.isStopped = true;
      pair.time.pass(5);
      pair.line.cut();
      pair.connect();
      pair.time.pass(4);
      expect(seen.messages.length).toBeGreaterThan(before);
    }
    expect(seen.messages).toHaveLength(count);
  });

  it('makes calls that were opened meanwhile when it is back', () => {
    const pair = new Pair().ready();
    pair.line.cut();
    const seen = pair.open();
    seen.call.send(text('a'));
    pair.time.pass(30_000);
    expect(seen.told).toEqual([]);
    pair.connect();
    pair.time.pass(10);
    expect(pair.served[0]?.told).toEqual(['message of 1']);
  });

  it('goes on where the server has not yet heard that the old one is lost', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    const old = pair.line;
    old.stop();
    served.call.send(text('a'));
    pair.time.pass(10);
    pair.connect();
    pair.time.pass(10);
    expect(seen.told).toEqual(['message of 1']);
    expect(old.server.closedWith).toBe('4013 superseded');
    old.cut();
    served.call.send(text('b'));
    pair.time.pass(10);
    expect(seen.told).toHaveLength(2);
  });

  it('ends its calls at both ends when it does not come back in time', () => {
    const pair = new Pair({ limits: { graceMs: 5000 } }).ready();
    const { seen, served } = pair.call();
    pair.line.cut();
    const unsent = pair.open();
    pair.time.pass(4999);
    expect([...seen.told, ...served.told]).toEqual([]);
    pair.time.pass(1);
    expect(seen.told).toEqual(['lost expired, was sent']);
    expect(served.told).toEqual(['gone expired']);
    expect(pair.server.sessions).toBe(0);
    expect(unsent.told).toEqual([]);
    pair.connect();
    pair.time.pass(10);
    expect(pair.told).toEqual(['connected', 'disconnected', 'connected']);
    expect(pair.served).toHaveLength(2);
  });

  it('learns that its time was over from a server whose time is shorter', () => {
    const pair = new Pair({ serverLimits: { graceMs: 1000 }, limits: {} }).ready();
    const { seen } = pair.call();
    // The client has not heard that it is lost.
    pair.line.server.from?.lost();
    pair.time.pass(2000);
    pair.connect();
    pair.time.pass(10);
    expect(seen.told).toEqual(['lost expired, was sent']);
  });

  it('is not taken for one that goes on where its time was over while it was greeted', () => {
    const pair = new Pair({ limits: { graceMs: 5000 } }).ready();
    const { seen, served } = pair.call();
    // The server has not heard that it is lost.
    pair.line.client.from?.lost();
    pair.time.pass(4999);
    pair.connect();
    pair.time.pass(10);
    expect(seen.told).toEqual(['lost expired, was sent']);
    expect(served.told).toEqual(['gone expired']);
    expect(pair.told).toEqual(['connected', 'disconnected', 'disconnected expired']);
    expect(pair.server.sessions).toBe(0);
    pair.connect();
    pair.time.pass(10);
    expect(pair.told.at(-1)).toBe('connected');
    pair.call().served.call.send(text('a'));
  });

  it('learns that the server was restarted: its calls are lost, and those that were not sent are made', () => {
    const pair = new Pair().ready();
    const { seen } = pair.call();
    pair.restart();
    const unsent = pair.open();
    pair.connect();
    pair.time.pass(10);
    expect(seen.told).toEqual(['lost restarted, was sent']);
    expect(unsent.told).toEqual([]);
    expect(pair.served).toHaveLength(2);
    expect(pair.told.at(-1)).toBe('connected');
  });

  it('is not given to somebody else', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    pair.line.cut();
    const line = pair.connect('another');
    pair.time.pass(10);
    expect(line.server.closedWith).toBe('4009 forbidden');
    expect(served.told).toEqual([]);
    expect(seen.told).toEqual(['lost forbidden, was sent']);
  });

  it('can be told not to wait', () => {
    const pair = new Pair().ready();
    pair.line.cut();
    const unsent = pair.open();
    pair.client.refuseWaiting('expired');
    expect(unsent.told).toEqual(['lost expired, never sent']);
  });
});

describe('the end of a tunnel', () => {
  it('that its client closes is the end of all calls', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    pair.client.close();
    const late = pair.open();
    pair.time.pass(10);
    expect(seen.told).toEqual(['lost closed, was sent']);
    expect(late.told).toEqual(['lost closed, never sent']);
    expect(served.told).toEqual(['gone closed']);
    expect(pair.server.sessions).toBe(0);
    expect(pair.line.client.closedWith).toBe('1000 closed');
  });

  it('that its client has closed is that of a connection which comes later', () => {
    const pair = new Pair();
    pair.client.close();
    pair.ready();
    expect(pair.line.client.closedWith).toBe('1000 closed');
    expect(pair.server.sessions).toBe(0);
    expect(pair.told).toEqual([]);
  });

  it('that its server closes too', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    pair.server.close();
    pair.time.pass(10);
    expect(seen.told).toEqual(['lost closed, was sent']);
    expect(served.told).toEqual(['gone closed']);
    expect(pair.told.at(-1)).toBe('disconnected closed');
  });

  it('comes after the last call where the server drains, and new ones may be made elsewhere', () => {
    const pair = new Pair().ready();
    const { seen, served } = pair.call();
    const racing = pair.open();
    pair.server.drain();
    pair.time.pass(10);
    const late = pair.open();
    expect(racing.told).toEqual(['lost drained, never sent']);
    expect(late.told).toEqual(['lost drained, never sent']);
    expect(pair.served).toHaveLength(1);
    expect(pair.told.at(-1)).toBe('draining');
    pair.line.cut();
    pair.connect();
    pair.time.pass(10);
    served.call.send(text('last'));
    served.call.end(ok);
    pair.time.pass(100);
    expect(seen.told).toEqual(['message of 4', 'end 0']);
    expect(pair.told.at(-1)).toBe('disconnected drained');
    expect(pair.server.sessions).toBe(0);
    pair.connect();
    pair.time.pass(10);
    expect(pair.line.server.closedWith).toBe('1001 drained');
  });

  it('comes when it has made all the calls that it has numbers for; what follows goes into another', () => {
    const pair = new Pair({ limits: { maxCalls: 2 } }).ready();
    const calls = [pair.open(), pair.open(), pair.open()];
    pair.time.pass(10);
    expect(pair.served).toHaveLength(2);
    expect(calls.map(({ told }) => told)).toEqual([[], [], ['lost drained, never sent']]);
    for (const { call } of pair.served) call.end(ok);
    pair.time.pass(100);
    expect(pair.told).toEqual(['connected', 'draining', 'disconnected drained']);
    pair.connect();
    pair.time.pass(10);
    expect(pair.call().seen.told).toEqual([]);
  });

  it('comes at once where the server drains and no call is open', () => {
    const pair = new Pair().ready();
    pair.time.pass(100);
    pair.server.drain();
    pair.time.pass(10);
    expect(pair.told.at(-1)).toBe('disconnected drained');
  });
});

describe('a connection', () => {
  it('is given up when the other end is silent, and goes on with another', () => {
    const pair = new Pair({ limits: { heartbeatMs: 1000, missedHeartbeats: 2 } }).ready();
    const { seen, served } = pair.call();
    const line = pair.line;
    line.stop();
    pair.time.pass(2900);
    expect(pair.told).toEqual(['connected']);
    pair.time.pass(200);
    expect(pair.told).toEqual(['connected', 'disconnected silent']);
    expect(line.client.closedWith).toBe('4012 silent');
    expect(line.server.closedWith).toBe('4012 silent');
    served.call.send(text('a'));
    pair.connect();
    pair.time.pass(10);
    expect(seen.told).toEqual(['message of 1']);
  });

  it('lasts as long as the other end answers, and is quiet but for that', () => {
    const pair = new Pair({ limits: { heartbeatMs: 1000 } }).ready();
    pair.call();
    const before = pair.line.client.sent.length;
    pair.time.pass(100_000);
    expect(pair.told).toEqual(['connected']);
    expect(pair.line.client.sent.length - before).toBeLessThan(210);
  });

  it('that does not greet is closed', () => {
    const pair = new Pair({ limits: { handshakeMs: 500 } });
    pair.connect();
    pair.line.stop();
    pair.time.pass(499);
    expect(pair.line.server.closedWith).toBeUndefined();
    pair.time.pass(1);
    expect(pair.line.server.closedWith).toBe('4011 handshake-timeout');
    expect(pair.told).toEqual(['disconnected handshake-timeout']);
  });
});
