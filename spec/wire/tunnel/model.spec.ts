import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { block, ok, Pair, same, type Seen, type Served } from './pair.js';

/** What may happen, to which call and how much. */
interface Step {
  readonly what:
    | 'open'
    | 'send'
    | 'answer'
    | 'pause'
    | 'pauseServer'
    | 'halfClose'
    | 'cancel'
    | 'end'
    | 'pass'
    | 'cut'
    | 'stop'
    | 'connect'
    | 'restart'
    | 'drain';
  readonly which: number;
  readonly size: number;
}

const limits = {
  ...{ maxFrameBytes: 16_384, windowBytes: 32_768, maxUnackedBytes: 65_536, maxStreams: 3 },
  ...{ maxMetadataBytes: 1024, heartbeatMs: 40, maxWindowBytes: 131_072 },
};

/** The least that is kept beyond the bound: the last packet, and what surrounds its frame. */
const onePacket = limits.maxFrameBytes + 64;

interface Tracked {
  readonly seen: Seen;
  readonly toServer: Uint8Array[];
  readonly toClient: Uint8Array[];
  isCancelled: boolean;
  isHalfClosed: boolean;
  isEnded: boolean;
}

class Model {
  readonly pair: Pair = new Pair({ limits });
  readonly calls: Tracked[] = [];
  #seed = 0;
  #isConnected = false;

  constructor() {
    this.pair.line.roomBytes = 40_000;
  }

  served(index: number): Served | undefined {
    return this.pair.served.find(({ opening }) => opening.method === String(index));
  }

  take({ what, which, size }: Step): void {
    const index = which % Math.max(this.calls.length, 1);
    const call = this.calls[index];
    if (what === 'open') this.#open();
    else if (call === undefined || isOfPair(what)) this.#pair(what, size);
    else this.#step(call, { what, which: index, size });
    this.check();
  }

  #open(): void {
    if (this.calls.length === 8) return;
    const seen = this.pair.open({ method: String(this.calls.length) });
    const ends = { isCancelled: false, isHalfClosed: false, isEnded: false };
    this.calls.push({ seen, toServer: [], toClient: [], ...ends });
  }

  #pair(what: Step['what'], size: number): void {
    if (what === 'pass') this.pair.time.pass(size % 60);
    else if (what === 'cut') this.pair.line.cut();
    else if (what === 'stop') this.pair.line.stop();
    else if (what === 'connect') this.connect();
    else if (what === 'restart' && this.#isConnected) this.pair.restart();
    else if (what === 'drain') this.pair.server.drain();
  }

  connect(): void {
    this.#isConnected = true;
    const line = this.pair.connect();
    line.roomBytes = 40_000;
    line.bytesPerMs = 20_000;
  }

  #step(call: Tracked, { what, which, size }: Step): void {
    const served = this.served(which);
    if (what === 'send' && !call.isHalfClosed && !call.isCancelled && !isOver(call)) {
      const message = block(size, (this.#seed += 1));
      call.toServer.push(message);
      call.seen.call.send([message]);
    } else if (what === 'answer' && served !== undefined && !call.isEnded) {
      const message = block(size, (this.#seed += 1));
      call.toClient.push(message);
      served.call.send([message]);
    } else if (what === 'pause') call.seen.call.pause(size % 2 === 0);
    else if (what === 'pauseServer') served?.call.pause(size % 2 === 0);
    else this.#close(call, what, served);
  }

  #close(call: Tracked, what: Step['what'], served: Served | undefined): void {
    if (what === 'halfClose') {
      call.isHalfClosed = true;
      call.seen.call.halfClose();
    } else if (what === 'cancel') {
      call.isCancelled ||= !isOver(call);
      call.seen.call.cancel();
    } else if (what === 'end' && served !== undefined) {
      call.isEnded = true;
      served.call.end(ok);
    }
  }

  /** What holds at all times. */
  check(): void {
    const bound = limits.maxUnackedBytes + onePacket;
    expect(this.pair.client.unackedBytes).toBeLessThan(bound);
    expect(this.pair.server.unackedBytes).toBeLessThan(bound * this.pair.server.sessions + 1);
  }

  /** What holds of what came. */
  checkMessages(): void {
    this.calls.forEach(({ seen, toServer, toClient }, index) => {
      expect(isStart(seen.messages, toClient)).toBe(true);
      expect(isStart(this.served(index)?.messages ?? [], toServer)).toBe(true);
    });
  }

  /** All goes on as it can, until nothing happens any more. */
  settle(): void {
    this.connect();
    for (let round = 0; round < 3; round += 1) {
      this.calls.forEach(({ seen }, index) => {
        seen.call.pause(false);
        this.served(index)?.call.pause(false);
      });
      this.pair.time.pass(200);
      // One that was drained, or that found a server that does not know it, is followed by another.
      if (this.pair.told.at(-1)?.startsWith('disconnected') === true) this.connect();
    }
  }
}

const isOver = ({ seen }: Pick<Tracked, 'seen'>): boolean =>
  /^(end|lost)/.test(seen.told.at(-1) ?? '');

function isStart(some: readonly Uint8Array[], all: readonly Uint8Array[]): boolean {
  return some.length <= all.length && same(some, all.slice(0, some.length));
}

function isOfPair(what: Step['what']): boolean {
  return ['pass', 'cut', 'stop', 'connect', 'restart', 'drain'].includes(what);
}

const benign = [
  ...([
    'open',
    'open',
    'send',
    'send',
    'answer',
    'answer',
    'answer',
    'pause',
    'pauseServer',
  ] as const),
  ...(['halfClose', 'cancel', 'end', 'pass', 'pass', 'pass', 'cut', 'stop', 'connect'] as const),
] as const;

const stepsOf = (what: readonly Step['what'][]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      what: fc.constantFrom(...what),
      which: fc.nat(7),
      size: fc.oneof(fc.nat(100), fc.nat(20_000), fc.nat(90_000)),
    }),
    { maxLength: 80, size: 'max' },
  );

/** What its two ends were told of a call, when all has settled and neither the server nor a session was lost. */
function checkWhole(model: Model): void {
  model.calls.forEach(({ seen, toServer, toClient, ...call }, index) => {
    const served = model.served(index);
    expect(seen.told.filter((told) => told.startsWith('lost'))).toEqual([]);
    if (call.isCancelled) {
      expect(served?.told.at(-1) ?? 'gone cancelled').toMatch(
        call.isEnded ? /./ : /^gone cancelled/,
      );
      return;
    }
    expect(isOver({ seen })).toBe(call.isEnded);
    expect(seen.messages).toHaveLength(toClient.length);
    if (served === undefined || call.isEnded) return;
    expect(served.messages).toHaveLength(toServer.length);
    expect(served.told.includes('half-closed')).toBe(call.isHalfClosed);
  });
}

it('delivers all that was sent, once and in order, however often and wherever its connection is lost', () => {
  fc.assert(
    fc.property(stepsOf(benign), (steps) => {
      const model = new Model();
      model.connect();
      for (const step of steps) model.take(step);
      model.settle();
      model.checkMessages();
      checkWhole(model);
      expect(model.pair.told.filter((told) => told === 'connected').length).toBeLessThan(2);
    }),
    { numRuns: 200 },
  );
});

it('ends what it cannot go on with, and delivers nothing else and nothing after', () => {
  fc.assert(
    fc.property(stepsOf([...benign, 'restart', 'drain']), (steps) => {
      const model = new Model();
      model.connect();
      for (const step of steps) model.take(step);
      model.settle();
      model.checkMessages();
      model.calls.forEach(({ seen, toClient, isEnded, isCancelled }, index) => {
        const { told } = seen;
        expect(told.filter((one) => /^(end|lost)/.test(one)).length).toBeLessThan(2);
        expect(told.slice(0, -1).every((one) => one.startsWith('message'))).toBe(true);
        if (told.at(-1) === 'end 0') {
          expect(isEnded).toBe(true);
          expect(seen.messages).toHaveLength(toClient.length);
        }
        const served = model.served(index);
        if (told.at(-1)?.endsWith('never sent') === true) expect(served).toBeUndefined();
        expect(
          model.pair.served.filter(({ opening }) => opening.method === String(index)).length,
        ).toBeLessThan(2);
        if (isCancelled) expect(isOver({ seen })).toBe(false);
      });
    }),
    { numRuns: 200 },
  );
});
