import { describe, expect, it } from '@jest/globals';
import { joined } from '../../../lib/process/bytes.js';
import { Packet } from '../../../lib/wire/generated/sandboxrx/tunnel/v1/tunnel.js';
import { block, ok, Pair, same, type Seen, type Served } from './pair.js';

const frame = 66_560;
const kib = 1024;

/** Keeps a stream full: sends the next message when the last one is in packets. */
function flood(call: Pick<Served['call'], 'send'>, message: Uint8Array): { sent: number } {
  const count = { sent: 0 };
  const next = (): void => {
    count.sent += 1;
    call.send([message], next);
  };
  for (let index = 0; index < 4; index += 1) next();
  return count;
}

describe('streams of one tunnel', () => {
  it('take turns: one that floods delays another by one frame', () => {
    const pair = new Pair({ limits: { windowBytes: 8 * kib * kib } }).ready();
    // 64 KiB take 64 ms, and 64 KiB are under way at most.
    pair.line.bytesPerMs = kib;
    const [loud, quiet] = [pair.call(), pair.call()];
    flood(loud.served.call, block(1_000_000));
    pair.time.pass(500);
    const before = pair.line.server.sent.length;
    quiet.served.call.send([block(10)]);
    pair.time.pass(150);
    expect(quiet.seen.told).toEqual(['message of 10']);
    const sizes = pair.line.server.sent.slice(before).map(({ length }) => length);
    const place = sizes.findIndex((size) => size < 100);
    expect(place).toBeGreaterThanOrEqual(0);
    // What the line had room for when it came, and one frame.
    expect(sizes.slice(0, place).filter((size) => size > 60_000).length).toBeLessThan(3);
  });

  it('get the same share, whatever the size of their messages and however many they are', () => {
    const pair = new Pair({ limits: { windowBytes: kib * kib } }).ready();
    pair.line.bytesPerMs = 10 * kib;
    const calls = Array.from({ length: 8 }, () => pair.call());
    calls.forEach(({ served }, index) => flood(served.call, block(frame * (1 + (index % 3)))));
    pair.time.pass(5000);
    const shares = calls.map(({ seen }) =>
      seen.messages.reduce((sum, { length }) => sum + length, 0),
    );
    expect(Math.min(...shares)).toBeGreaterThan(4_000_000);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(8 * frame);
  });

  it('do not wait for one that is not read, and that one holds no more than its window', () => {
    const windowBytes = 128 * kib;
    const pair = new Pair({ limits: { windowBytes } }).ready();
    const [stuck, free] = [pair.call(), pair.call()];
    stuck.seen.call.pause(true);
    const stuckSent = flood(stuck.served.call, block(8 * kib));
    const freeSent = flood(free.served.call, block(8 * kib));
    pair.time.pass(1000);
    // The messages that are in packets, and those that wait to be.
    expect((stuckSent.sent - 5) * 8 * kib).toBeLessThan(windowBytes);
    expect(freeSent.sent).toBeGreaterThan(1000);
    stuck.seen.call.pause(false);
    pair.time.pass(100);
    expect(stuck.seen.messages.length).toBeGreaterThan(100);
  });

  it('are stopped by empty messages as well', () => {
    const pair = new Pair({ limits: { windowBytes: 64 * kib } }).ready();
    const { seen, served } = pair.call();
    served.call.pause(true);
    const sent = flood(seen.call, block(0));
    pair.time.pass(100);
    expect(sent.sent).toBeLessThan(64 * 16 + 8);
    expect(sent.sent).toBeGreaterThan(64 * 15);
  });
});

describe('credits', () => {
  /** What the client said in packets with credits, from now on: how many there are in each, and when it was said. */
  function credits(pair: Pair): { readonly at: number; readonly count: number }[] {
    const said: { at: number; count: number }[] = [];
    const { client } = pair.line;
    const send = client.send.bind(client);
    client.send = (parts) => {
      const count = Packet.decode(joined(parts)).credits.length;
      if (count > 0) said.push({ at: pair.time.scheduler.now(), count });
      return send(parts);
    };
    return said;
  }

  it('of several streams go together, as long as each has some left', () => {
    const pair = new Pair({ limits: { windowBytes: 64 * kib } }).ready();
    const calls = Array.from({ length: 8 }, () => pair.call());
    pair.line.roomBytes = Infinity;
    // A message takes 0.2 ms.
    pair.line.bytesPerMs = 5 * 40 * kib;
    const said = credits(pair);
    for (const { served } of calls) served.call.send([block(40 * kib)]);
    pair.time.pass(10);
    expect(said.reduce((sum, { count }) => sum + count, 0)).toBe(8);
    expect(said.length).toBeLessThan(4);
  });

  it('go at once when a stream has little left', () => {
    const pair = new Pair({ limits: { windowBytes: 64 * kib } }).ready();
    const { seen, served } = pair.call();
    const said = credits(pair);
    let readAt = 0;
    seen.onMessage = () => (readAt = pair.time.scheduler.now());
    served.call.send([block(60 * kib)]);
    pair.time.pass(10);
    expect(said).toEqual([{ at: readAt, count: 1 }]);
  });
});

describe('what a tunnel keeps', () => {
  it('until it is acknowledged is bounded: past it nothing is sent', () => {
    const maxUnackedBytes = 256 * kib;
    const pair = new Pair({ limits: { maxUnackedBytes, windowBytes: 8 * kib * kib } }).ready();
    const { seen, served } = pair.call();
    pair.line.roomBytes = Infinity;
    // What the client acknowledges does not come.
    pair.line.client.isStopped = true;
    const before = total(pair.line.server.sent);
    const sent = flood(served.call, block(50_000));
    pair.time.pass(1000);
    expect(total(pair.line.server.sent) - before).toBeLessThan(maxUnackedBytes + frame);
    pair.line.cut();
    pair.connect();
    pair.time.pass(200);
    expect(seen.messages.length).toBeGreaterThan(100);
    expect(sent.sent).toBeGreaterThan(100);
    expect(same([seen.messages.at(-1)!], [block(50_000)])).toBe(true);
  });

  it('waits for the wire: no more is sent than it has room for', () => {
    const pair = new Pair().ready();
    const { served } = pair.call();
    pair.line.bytesPerMs = 1;
    const before = total(pair.line.server.sent);
    flood(served.call, block(10_000));
    pair.time.pass(5);
    expect(total(pair.line.server.sent) - before).toBeLessThan(pair.line.roomBytes + frame);
  });

  it('of messages that are longer than their window has a limit: past it their calls fail, and no others', () => {
    const pair = new Pair({
      limits: { windowBytes: 64 * kib, maxAssemblyBytes: 1_500_000 },
    }).ready();
    const [one, two, three] = [pair.call(), pair.call(), pair.call()];
    for (const { seen } of [one, two]) seen.call.send([block(1_000_000)]);
    pair.time.pass(1000);
    expect([one, two].map(({ seen }) => seen.told)).toContainEqual(['end 8']);
    const told = [one, two].flatMap(({ served }) => served.told);
    expect(told.toSorted()).toEqual(['gone limit', 'message of 1000000']);
    // What the failed one held is given back.
    three.seen.call.send([block(1_400_000)]);
    pair.time.pass(1000);
    expect(three.served.told).toEqual(['message of 1400000']);
  });

  it('holds one long message of a stream that is paused, and no second', () => {
    const pair = new Pair({ limits: { windowBytes: 64 * kib } }).ready();
    const { seen, served } = pair.call();
    served.call.pause(true);
    const accepted: number[] = [];
    for (let index = 0; index < 5; index += 1)
      seen.call.send([block(1_000_000, index)], () => accepted.push(index));
    pair.time.pass(1000);
    expect(accepted).toEqual([0]);
    served.call.pause(false);
    pair.time.pass(1000);
    expect(accepted).toHaveLength(5);
    expect(
      same(
        served.messages,
        Array.from({ length: 5 }, (_, index) => block(1_000_000, index)),
      ),
    ).toBe(true);
  });

  it('of a small message that waits is not the packet that it came in', () => {
    const pair = new Pair().ready();
    const [paused, other] = [pair.call(), pair.call()];
    paused.seen.call.pause(true);
    paused.served.call.send([block(10)]);
    other.served.call.send([block(60_000)]);
    pair.time.pass(10);
    paused.seen.call.pause(false);
    expect(paused.seen.parts.map(({ buffer }) => buffer.byteLength)).toEqual([10]);
    expect(other.seen.parts[0]?.buffer.byteLength).toBeGreaterThan(60_000);
  });
});

describe('the window of a stream', () => {
  /** Bytes that came in a second over a path of 50 ms each way. */
  function cameInASecond(limits: object, read: (seen: Seen) => void = () => undefined): number {
    const pair = new Pair({ limits: { windowBytes: 64 * kib, ...limits } });
    const line = pair.connect();
    line.latencyMs = 50;
    line.roomBytes = Infinity;
    pair.time.pass(1000);
    const seen = pair.open();
    pair.time.pass(1000);
    flood(pair.served[0]!.call, block(30_000));
    read(seen);
    pair.time.pass(1000);
    const before = total(seen.messages);
    pair.time.pass(1000);
    return total(seen.messages) - before;
  }

  it('grows with the length of the path, up to its bound', () => {
    const fixed = cameInASecond({ maxWindowBytes: 64 * kib });
    expect(cameInASecond({})).toBeGreaterThan(fixed * 30);
    expect(cameInASecond({ maxWindowBytes: 512 * kib })).toBeLessThan(fixed * 9);
    expect(cameInASecond({ maxGrowthBytes: 192 * kib })).toBeLessThan(fixed * 5);
  });

  it('does not grow for a reader who is slow', () => {
    const pair = new Pair({ limits: { windowBytes: 64 * kib } }).ready();
    const { seen, served } = pair.call();
    const sent = flood(served.call, block(8 * kib));
    seen.onMessage = () => {
      seen.call.pause(true);
      pair.time.scheduler.schedule(() => {
        seen.call.pause(false);
      }, 5);
    };
    pair.time.pass(2000);
    expect((sent.sent - 4 - seen.messages.length) * 8 * kib).toBeLessThanOrEqual(64 * kib);
  });

  it('is given back when its stream is over', () => {
    const limits = { windowBytes: 64 * kib, maxGrowthBytes: 960 * kib };
    const pair = new Pair({ limits });
    const line = pair.connect();
    line.latencyMs = 50;
    line.roomBytes = Infinity;
    pair.time.pass(1000);
    const came: number[] = [];
    for (let index = 0; index < 3; index += 1) {
      const seen = pair.open();
      pair.time.pass(200);
      const served = pair.served.at(-1)!;
      flood(served.call, block(30_000));
      pair.time.pass(2000);
      came.push(total(seen.messages));
      served.call.end(ok);
      seen.call.cancel();
      pair.time.pass(200);
    }
    expect(Math.min(...came)).toBeGreaterThan(came[0]! * 0.9);
  });
});

function total(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
