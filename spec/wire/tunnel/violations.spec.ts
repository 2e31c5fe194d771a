import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type Hello,
  type Limits,
  Packet,
  type Frame,
} from '../../../lib/wire/generated/sandboxrx/tunnel/v1/tunnel.js';
import { ClientTunnel } from '../../../lib/wire/tunnel/client-tunnel.js';
import type { TunnelConnection } from '../../../lib/wire/tunnel/connection.js';
import type { ServedCall } from '../../../lib/wire/tunnel/server-call.js';
import { TunnelServer, type TunnelServerOptions } from '../../../lib/wire/tunnel/tunnel-server.js';
import { bytes } from '../../support/bytes.js';
import { block, Pair, Time } from './pair.js';

setFlagsFromString('--expose-gc');

const limits: Limits = {
  ...{ maxStreams: 4, maxFrameBytes: 16_384, maxMessageBytes: 100_000, maxMetadataBytes: 1024 },
  ...{ windowBytes: 32_768, maxUnackedBytes: 65_536 },
};

const helloOf = (hello: Partial<Hello>): Hello => ({
  ...{ version: 1, session: '', received: 0n, limits },
  ...hello,
});

/** A server, and somebody who says to it whatever they like. */
class Stranger {
  readonly time: Time = new Time();
  readonly server: TunnelServer;
  readonly packets: Packet[] = [];
  readonly gone: string[] = [];
  readonly servedBy: string[] = [];
  onCall: (call: ServedCall) => void = () => undefined;
  messages = 0;
  closedWith: string | undefined;
  connection: TunnelConnection;
  seq = 0n;
  #connections = 0;

  constructor(maxSessions = 2, options: TunnelServerOptions = {}) {
    const { scheduler, defer } = this.time;
    this.server = new TunnelServer({
      limits: { ...limits, graceMs: 100 },
      maxSessions,
      scheduler,
      defer,
      ...options,
    });
    this.connection = this.connect();
  }

  /** `proof`: what was shown, by the same one too. */
  connect(name = 'stranger', proof = ''): TunnelConnection {
    this.packets.length = 0;
    this.closedWith = undefined;
    const number = (this.#connections += 1);
    this.connection = this.server.accept(
      {
        send: (parts) => this.packets.push(Packet.decode(Buffer.concat(parts))) > 0,
        close: (code, reason) => {
          // An older one is no matter.
          if (this.#connections === number) this.closedWith = `${code} ${reason}`;
        },
      },
      {
        name,
        serve: (call) => {
          this.servedBy.push(proof);
          this.onCall(call);
          return {
            message: () => (this.messages += 1),
            halfClosed: () => undefined,
            gone: (reason) => this.gone.push(reason),
          };
        },
      },
    );
    return this.connection;
  }

  say(packet: Partial<Packet>): this {
    this.connection.received([Packet.encode({ ...Packet.create(), ...packet }).finish()]);
    this.time.pass(1);
    return this;
  }

  hello(hello: Partial<Hello> = {}): this {
    return this.say({ hello: helloOf(hello) });
  }

  frames(...frames: Frame[]): this {
    this.seq += 1n;
    return this.say({ seq: this.seq, frames });
  }
}

const open = (stream: number, method = '/s/m', text = ''): Frame => ({
  stream,
  body: {
    $case: 'open',
    value: {
      method,
      metadata: [{ key: 'k', value: { $case: 'text', value: text } }],
      timeoutMs: 0,
    },
  },
});

const frame = (stream: number, $case: 'message' | 'chunk', length: number): Frame => ({
  stream,
  body: { $case, value: block(length) },
});

const cancel = (stream: number): Frame => ({ stream, body: { $case: 'cancel', value: {} } });
const halfClose: Frame = { stream: 1, body: { $case: 'halfClose', value: {} } };
const end: Frame = {
  stream: 1,
  body: { $case: 'end', value: { code: 0, message: '', trailers: [] } },
};

const inSession: Readonly<Record<string, readonly [string, (stranger: Stranger) => void]>> = {
  'bytes that are no packet': [
    '4002 malformed',
    ({ connection }) => connection.received([block(99, 7)]),
  ],
  'a second hello': ['4002 malformed', (stranger) => stranger.hello()],
  'frames in a packet that is not counted': ['4002 malformed', (s) => s.say({ frames: [open(1)] })],
  'an empty frame': ['4002 malformed', (s) => s.frames({ stream: 1, body: undefined })],
  'an empty part': ['4002 malformed', (s) => s.frames(open(1), frame(1, 'chunk', 0))],
  'a number that nobody can say': ['4002 malformed', (s) => s.say({ ack: 2n ** 60n })],
  'a GoAway of a client': ['4002 malformed', (s) => s.say({ goAway: { lastStream: 0 } })],
  'a packet that is left out': ['4003 sequence', (s) => s.say({ seq: 2n })],
  'a packet that comes again': ['4003 sequence', (s) => s.frames(open(1)).say({ seq: 1n })],
  'an acknowledgement of what was not sent': ['4004 acknowledgement', (s) => s.say({ ack: 1n })],
  'more than there is credit for': [
    '4005 flow-control',
    (s) => s.frames(open(1), frame(1, 'chunk', 16_000)).frames(frame(1, 'chunk', 16_800)),
  ],
  'a message that is too large': [
    '4007 limit',
    (s) => {
      s.frames(open(1));
      for (let index = 0; index < 7; index += 1) s.frames(frame(1, 'chunk', 15_000));
    },
  ],
  'a packet that is too large': ['4007 limit', (s) => s.frames(open(1), frame(1, 'chunk', 17_500))],
  'too many calls': ['4007 limit', (s) => s.frames(...[1, 2, 3, 4, 5].map((id) => open(id)))],
  'too much metadata': ['4007 limit', (s) => s.frames(open(1, '', 'x'.repeat(1024)))],
  'a stream that was not opened': ['4006 stream', (s) => s.frames(frame(1, 'message', 1))],
  'credit for such a one': ['4006 stream', (s) => s.say({ credits: [{ stream: 1, offset: 1n }] })],
  'stream 0': ['4006 stream', (s) => s.frames(open(0))],
  'a stream out of order': ['4006 stream', (s) => s.frames(open(2))],
  'a stream that is opened again': ['4006 stream', (s) => s.frames(open(1), open(1))],
  'a message after the last': [
    '4006 stream',
    (s) => s.frames(open(1), halfClose, frame(1, 'message', 1)),
  ],
  'an end of a client': ['4006 stream', (s) => s.frames(open(1), end)],
};

describe('a server', () => {
  it.each(Object.keys(inSession))('ends the session of who sends %s, and says why', (what) => {
    const stranger = new Stranger().hello();
    const [reason, act] = inSession[what]!;
    expect(stranger.packets[0]?.welcome?.resumed).toBe(false);
    act(stranger);
    stranger.time.pass(1);
    expect(stranger.closedWith).toBe(reason);
    expect(stranger.packets.at(-1)?.goodbye?.reason).toBe(reason.slice(5));
    expect(stranger.server.sessions).toBe(0);
    expect(stranger.gone.every((one) => one === reason.slice(5))).toBe(true);
  });

  it.each<[string, string, (stranger: Stranger) => void]>([
    ['no hello', '4002 malformed', (s) => s.say({ seq: 1n })],
    ['another version', '4008 version', (s) => s.hello({ version: 2 })],
    ['no limits', '4002 malformed', (s) => s.hello({ limits: undefined })],
    ['limits too small', '4007 limit', (s) => s.hello({ limits: { ...limits, windowBytes: 1 } })],
    ['garbage', '4002 malformed', ({ connection }) => connection.received([bytes('GET /')])],
  ])('refuses a greeting with %s', (_, reason, act) => {
    const stranger = new Stranger();
    act(stranger);
    expect(stranger.closedWith).toBe(reason);
    expect(stranger.server.sessions).toBe(0);
  });

  it('refuses who resumes with what cannot be, and keeps the session for its owner', () => {
    const stranger = new Stranger().hello().frames(open(1));
    const session = stranger.packets[0]?.welcome?.session ?? '';
    stranger.connection.lost();
    stranger.connect();
    stranger.hello({ session, received: 7n });
    expect(stranger.closedWith).toBe('4004 acknowledgement');
    stranger.connect('another');
    stranger.hello({ session });
    expect(stranger.closedWith).toBe('4009 forbidden');
    expect(stranger.gone).toEqual([]);
    stranger.connect();
    stranger.hello({ session });
    expect(stranger.packets[0]?.welcome).toMatchObject({ resumed: true, received: 1n });
  });

  it('goes on with who has more than an older greeting said that came late', () => {
    const stranger = new Stranger().hello();
    stranger.onCall = (call) => {
      call.send([block(1000)]);
    };
    const session = stranger.packets[0]?.welcome?.session ?? '';
    const late = stranger.connect();
    stranger.connect();
    stranger.hello({ session }).frames(open(1));
    expect(stranger.packets.at(-1)?.seq).toBe(1n);
    late.received([Packet.encode({ ...Packet.create(), hello: helloOf({ session }) }).finish()]);
    stranger.connect();
    stranger.hello({ session, received: 1n });
    expect(stranger.closedWith).toBeUndefined();
    expect(stranger.packets[0]?.welcome?.resumed).toBe(true);
    expect(stranger.packets.every(({ frames }) => frames.length === 0)).toBe(true);
    stranger.frames(open(2));
    expect(stranger.packets.at(-1)?.seq).toBe(2n);
    expect(stranger.gone).toEqual([]);
  });

  it('takes as many sessions as it shall, and again when one is over', () => {
    const stranger = new Stranger(2);
    for (let index = 0; index < 2; index += 1) {
      stranger.seq = 0n;
      stranger.hello().frames(open(1));
      stranger.connection.lost();
      stranger.connect();
    }
    stranger.hello();
    expect(stranger.closedWith).toBe('4010 overloaded');
    expect(stranger.gone).toEqual([]);
    stranger.time.pass(200);
    stranger.connect();
    stranger.hello();
    expect(stranger.closedWith).toBeUndefined();
  });

  it.each([
    ['in all', {}],
    ['of one caller', { maxSessions: 3, maxSessionsPerCaller: 2 }],
  ])('ends the oldest that nobody uses where there are too many %s', (_, options) => {
    const stranger = new Stranger(2, options);
    const begun: string[] = [];
    const begin = (): void => {
      stranger.connect();
      stranger.hello();
      begun.push(stranger.packets[0]?.welcome?.session ?? '');
      stranger.connection.lost();
    };
    const isKnown = (session: string | undefined): boolean => {
      stranger.connect();
      stranger.hello({ session: session ?? '' });
      stranger.connection.lost();
      return stranger.packets[0]?.welcome?.resumed === true;
    };
    for (let count = 0; count < 20; count += 1) begin();
    expect(stranger.server.sessions).toBe(2);
    expect([begun.at(-1), begun.at(-2)].map(isKnown)).toEqual([true, true]);
    expect(isKnown(begun.at(-3))).toBe(false);
  });

  it('keeps a session that has a connection, whoever else comes', () => {
    const stranger = new Stranger(1).hello();
    const { connection } = stranger;
    stranger.connect();
    stranger.hello();
    expect(stranger.closedWith).toBe('4010 overloaded');
    expect(stranger.server.sessions).toBe(1);
    connection.lost();
  });

  it('serves the calls of who may resume a session as they were, where a greeting was refused', () => {
    const stranger = new Stranger().hello();
    const session = stranger.packets[0]?.welcome?.session ?? '';
    const { connection } = stranger;
    stranger.connect('stranger', 'refused');
    stranger.hello({ session, received: 7n });
    expect(stranger.closedWith).toBe('4004 acknowledgement');
    stranger.connection = connection;
    stranger.frames(open(1));
    expect(stranger.servedBy).toEqual(['']);
  });

  it('passes over what comes late for a stream that is over, and old acknowledgements and credits', () => {
    const stranger = new Stranger().hello();
    stranger.frames(open(1), cancel(1), frame(1, 'message', 5), cancel(1), halfClose);
    stranger.say({ credits: [{ stream: 1, offset: 5n }], ack: 0n });
    stranger.frames(open(2)).say({ credits: [{ stream: 2, offset: 0n }] });
    expect(stranger.closedWith).toBeUndefined();
    expect(stranger.messages).toBe(0);
    expect(stranger.gone).toEqual(['cancelled']);
  });

  it('forgets the calls that are given up, also of who never acknowledges anything', async () => {
    const stranger = new Stranger().hello();
    const calls: WeakRef<ServedCall>[] = [];
    stranger.onCall = (call) => {
      calls.push(new WeakRef(call));
      call.send([block(30_000)]);
    };
    // Of these as much is under way as may be.
    stranger.frames(open(1), open(2), open(3));
    for (let stream = 4; stream <= 100; stream += 1)
      stranger.frames(open(stream)).frames(cancel(stream));
    await turn();
    runInNewContext('gc()');
    expect(calls).toHaveLength(100);
    expect(calls.filter((call) => call.deref() !== undefined).length).toBeLessThan(10);
  });

  it('answers however many pings with one pong a turn', () => {
    const stranger = new Stranger().hello();
    stranger.packets.length = 0;
    for (let ping = 1; ping <= 1000; ping += 1)
      stranger.connection.received([Packet.encode({ ...Packet.create(), ping }).finish()]);
    stranger.time.pass(1);
    expect(stranger.packets.map(({ pong }) => pong)).toEqual([1000]);
  });

  it('outlives any bytes, and so do the sessions of others', () => {
    const packet = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .record({
          seq: fc.bigInt(0n, 4n),
          ack: fc.bigInt(0n, 2n),
          ping: fc.nat(3),
          pong: fc.nat(3),
          frames: fc.array(
            fc.constantFrom(
              open(1),
              open(2),
              frame(1, 'message', 9),
              frame(1, 'chunk', 9),
              halfClose,
              end,
            ),
            { maxLength: 4 },
          ),
          credits: fc.array(fc.record({ stream: fc.nat(3), offset: fc.bigInt(0n, 99n) }), {
            maxLength: 2,
          }),
        })
        .map((content) => Packet.encode({ ...Packet.create(), ...content }).finish()),
    );
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 12, size: 'max' }), (packets) => {
        const stranger = new Stranger().hello();
        const { connection } = stranger;
        stranger.connect('another');
        stranger.hello();
        for (const one of packets) connection.received([one]);
        stranger.time.pass(50);
        stranger.frames(open(1), frame(1, 'message', 5));
        expect(stranger.closedWith).toBeUndefined();
        expect(stranger.server.sessions).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a client', () => {
  function client() {
    const time = new Time();
    const told: string[] = [];
    const tunnel = new ClientTunnel({
      ...{ limits, scheduler: time.scheduler, defer: time.defer },
      observer: {
        connected: (resumed) => told.push(`connected ${resumed}`),
        disconnected: (reason) => told.push(`disconnected ${reason}`),
        latency: () => undefined,
        draining: () => told.push('draining'),
      },
    });
    const connection = tunnel.connected({ send: () => true, close: () => undefined });
    const say = (packet: Partial<Packet>): void => {
      connection.received([Packet.encode({ ...Packet.create(), ...packet }).finish()]);
      time.pass(1);
    };
    const welcome = { session: 's', resumed: false, received: 0n, epoch: 'e', graceMs: 9, limits };
    return { tunnel, told, say, welcome };
  }

  it.each<[string, string, Partial<Packet>]>([
    ['a call', 'stream', { seq: 1n, frames: [open(1)] }],
    ['a half-close', 'stream', { seq: 1n, frames: [halfClose] }],
    ['a welcome again', 'malformed', { welcome: client().welcome }],
    ['an end of what was not opened', 'stream', { seq: 1n, frames: [{ ...end, stream: 9 }] }],
  ])('ends its session when the server sends %s', (_, reason, packet) => {
    const { told, tunnel, say, welcome } = client();
    const lost: string[] = [];
    say({ welcome });
    tunnel.open(
      { method: '/s/m', metadata: {} },
      {
        opened: () => undefined,
        message: () => undefined,
        end: () => undefined,
        lost: (why) => lost.push(why),
      },
    );
    say({});
    say(packet);
    expect(told).toEqual(['connected false', `disconnected ${reason}`]);
    expect(lost).toEqual([reason]);
  });

  it.each<[string, Partial<Packet>]>([
    ['no welcome', { seq: 1n }],
    ['a welcome without limits', { welcome: { ...client().welcome, limits: undefined } }],
  ])('refuses a greeting with %s', (_, packet) => {
    const { told, say } = client();
    say(packet);
    expect(told).toEqual(['disconnected malformed']);
  });

  it('takes a reason that it does not know for a close', () => {
    const { told, say, welcome } = client();
    say({ welcome });
    say({ goodbye: { reason: 'constructor', message: '' } });
    expect(told.at(-1)).toBe('disconnected closed');
  });
});

it('what is thrown by who is told of a call ends the session, and is not hidden', () => {
  const pair = new Pair().ready();
  const { seen, served } = pair.call();
  served.onMessage = () => {
    throw new Error('a mistake of mine');
  };
  seen.call.send([block(5)]);
  expect(() => {
    pair.time.pass(10);
  }).toThrow('a mistake of mine');
  expect(served.told).toEqual(['message of 5', 'gone internal']);
  expect(pair.line.server.closedWith).toBe('4014 internal');
});

describe('limits', () => {
  it('that cannot work are refused', () => {
    expect(() => new Pair({ limits: { windowBytes: 0 } })).toThrow('windowBytes');
    expect(() => new Pair({ limits: { maxFrameBytes: 16_384 } })).toThrow('maxFrameBytes');
    expect(() => new Pair({ limits: { maxStreams: NaN } })).toThrow(RangeError);
    expect(() => new Pair({ limits: { graceMs: 2 ** 31 } })).toThrow('graceMs');
  });

  it('that are undefined are the usual ones', () => {
    const pair = new Pair({ limits: { graceMs: undefined as never } }).ready();
    expect(pair.told).toEqual(['connected']);
  });
});
