import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { first } from 'rxjs';
import { text } from '../../../wire/tunnel/pair.js';
import { ScriptedWay, unavailable, type Seen } from './scripted-way.js';

const fails = (way: ScriptedWay): void => {
  way.onAttempt = (attempt) => attempt.fail(unavailable);
};
const refuses = (way: ScriptedWay): void => {
  way.onAttempt = (attempt) => attempt.fail({ code: 16, message: 'the server answered 401' });
};
const connects = (way: ScriptedWay): void => {
  way.onAttempt = (attempt) => way.connect(attempt);
};
const hangs = (way: ScriptedWay): void => {
  way.onAttempt = () => undefined;
};

describe('connecting', () => {
  it('is done by the first call, and no other', () => {
    const way = new ScriptedWay();
    way.time.pass(1000);
    expect(way.attempts).toEqual([]);
    const [one, other] = [way.open(), way.open()];
    way.say(one, 'one');
    way.say(other, 'other');
    expect([one.told, other.told]).toEqual([['one'], ['other']]);
    expect(way.attempts).toHaveLength(1);
    expect(way.states.slice(0, 3)).toEqual(['idle', 'connecting 1', 'connected']);
    expect(way.statuses.at(-1)).toEqual({ state: 'connected', attempt: 0, latencyMs: 2 });
  });

  it('fails at once where there is no server, and is tried again by the next call', () => {
    const way = new ScriptedWay();
    fails(way);
    const seen = way.open();
    way.time.pass(10);
    expect(seen.told).toEqual(['never sent 14 nobody is there']);
    expect(way.statuses.at(-1)).toMatchObject({
      state: 'idle',
      error: { code: 'ERR_BACKEND_UNAVAILABLE', retryable: true },
    });
    way.time.pass(600_000);
    expect(way.attempts).toHaveLength(1);
    connects(way);
    expect(way.talking().told).toEqual(['hello']);
  });

  it('is done once where whoever hears of it makes the first call', () => {
    const way = new ScriptedWay();
    const others: Seen[] = [];
    way.connector.status$.pipe(first(({ state }) => state === 'connecting')).subscribe(() => {
      others.push(way.open());
    });
    const seen = way.talking();
    for (const other of others) way.say(other, 'other');
    expect([seen, ...others].map(({ told }) => told)).toEqual([['hello'], ['other']]);
    expect(way.attempts).toHaveLength(1);
  });

  it('is given up when nothing comes of it', () => {
    const way = new ScriptedWay();
    hangs(way);
    const seen = way.open();
    way.time.pass(19_999);
    expect(seen.told).toEqual([]);
    way.time.pass(1);
    expect(seen.told).toEqual(['never sent 14 no connection came about within 20000 ms']);
    expect(way.attempts[0]?.isAbandoned).toBe(true);
  });

  it('is given up, and says why, when the server takes the connection and says nothing', () => {
    const way = new ScriptedWay({ limits: { handshakeMs: 30_000 } });
    way.onAttempt = (attempt) => {
      way.connect(attempt);
      way.line?.stop();
    };
    const seen = way.open();
    way.time.pass(20_000);
    expect(seen.told).toEqual(['never sent 14 no connection came about within 20000 ms']);
    expect(way.line?.client.closedWith).toBe('1000 given up');
  });

  it.each([
    ['takes too long', hangs, 20_000],
    ['fails', fails, 1],
    ['is refused', refuses, 1],
  ])('that %s is tried again by whoever asks again at once', (_what, fate, afterMs) => {
    const way = new ScriptedWay();
    fate(way);
    let again: Seen | undefined;
    way.open('/s/m', () => {
      connects(way);
      again = way.open();
      again.call?.send(text('hello'));
    });
    way.time.pass(afterMs);
    way.time.pass(60_000);
    expect(again?.told).toEqual(['hello']);
    expect(way.attempts).toHaveLength(2);
  });

  it.each([
    [16, 'the server answered 401'],
    [7, 'the server answered 403'],
  ])('that is refused by status %i says so, and ends what waits', (code, message) => {
    const way = new ScriptedWay();
    way.onAttempt = (attempt) => attempt.fail({ code, message });
    const seen = way.open();
    way.time.pass(10);
    expect(seen.told).toEqual([`never sent ${code} ${message}`]);
    expect(way.statuses.at(-1)).toMatchObject({ state: 'idle', error: { code: 'ERR_PERMISSION' } });
    connects(way);
    expect(way.talking().told).toEqual(['hello']);
  });

  it('that cannot even be tried is told as any other that fails', () => {
    const way = new ScriptedWay();
    way.refusal = new Error('the token cannot be had');
    expect(way.open().told).toEqual(['never sent 14 the token cannot be had']);
    way.refusal = undefined;
    expect(way.talking().told).toEqual(['hello']);
  });
});

describe('a connection that is lost', () => {
  it('comes back, and calls go on where they were', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.line?.cut();
    seen.call?.send(text('again'));
    way.time.pass(200);
    expect(seen.told).toEqual(['hello', 'again']);
    expect(way.served).toEqual(['/s/m hello', '/s/m again']);
    const after = way.states.slice(way.states.lastIndexOf('connecting 1'));
    expect(after.filter((state, at) => state !== after[at - 1])).toEqual([
      'connecting 1',
      'connected',
      'reconnecting',
      'reconnecting 1',
      'connected',
    ]);
  });

  it('is not made again where nothing needs it', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    seen.call?.halfClose();
    way.time.pass(100);
    expect(seen.told).toEqual(['hello', 'end 0']);
    way.line?.cut();
    way.time.pass(600_000);
    expect(way.attempts).toHaveLength(1);
    expect(way.statuses.at(-1)?.state).toBe('idle');
  });

  it('is made again to tell the server what was given up', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.line?.cut();
    seen.call?.cancel();
    way.time.pass(500);
    expect(way.served).toEqual(['/s/m hello', '/s/m gone: cancelled']);
  });

  it('is tried for more and more seldom, and as at first once it was of use', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    const delays = (): number[] =>
      way.statuses.flatMap(({ retryInMs = [] }) => retryInMs).slice(0, 9);
    fails(way);
    way.line?.cut();
    way.time.pass(30_000);
    expect(delays().slice(0, 8)).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    // It comes about and is dropped at once, again and again.
    way.statuses.length = 0;
    way.onAttempt = (attempt) => {
      way.connect(attempt);
      way.time.scheduler.schedule(() => way.line?.cut(), 3);
    };
    way.time.pass(12_000);
    expect(delays()).toEqual(delays().map(() => 5000));
    expect(seen.told).toEqual(['hello']);
    connects(way);
    way.time.pass(6000);
    way.say(seen, 'again');
    way.statuses.length = 0;
    way.line?.cut();
    way.time.pass(10);
    expect(delays()).toEqual([100]);
  });

  it('was of use when it stood for a while, also to calls that say nothing', () => {
    const way = new ScriptedWay();
    way.talking();
    fails(way);
    way.line?.cut();
    way.time.pass(20_000);
    connects(way);
    way.time.pass(15_000);
    way.statuses.length = 0;
    way.line?.cut();
    way.time.pass(10);
    expect(way.statuses.flatMap(({ retryInMs = [] }) => retryInMs)).toEqual([100]);
  });

  it('was of use when something came to the server, also to calls that hear no answer', () => {
    const way = new ScriptedWay();
    const seen = way.open('/s/quiet');
    for (const word of ['one', 'two', 'three', 'four']) {
      way.time.pass(200);
      seen.call?.send(text(word));
      way.time.pass(2);
      way.line?.cut();
    }
    way.time.pass(200);
    expect(way.statuses.flatMap(({ retryInMs = [] }) => retryInMs)).toEqual([100, 100, 100, 100]);
    expect(way.served).toHaveLength(4);
  });

  it('waits between half of the time and all of it, at random', () => {
    const way = new ScriptedWay({ random: 0 });
    way.talking();
    fails(way);
    way.line?.cut();
    way.time.pass(5000);
    expect(way.statuses.flatMap(({ retryInMs = [] }) => retryInMs).slice(0, 3)).toEqual([
      50, 100, 200,
    ]);
  });

  it('keeps new calls waiting, but not for ever', () => {
    const way = new ScriptedWay();
    way.talking();
    fails(way);
    way.line?.cut();
    way.time.pass(10_000);
    const seen = way.open();
    way.time.pass(9_000);
    expect(seen.told).toEqual([]);
    way.time.pass(1_000);
    expect(seen.told).toEqual([
      'never sent 14 no connection came about within 20000 ms: nobody is there',
    ]);
  });

  it('ends the calls that were sent when the grace is over, and is no longer tried for', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    fails(way);
    way.line?.cut();
    way.time.pass(60_100);
    expect(seen.told).toEqual([
      'hello',
      expect.stringMatching(/^lost 14 the connection did not come back in time/),
    ]);
    way.time.pass(10_000);
    const { length } = way.attempts;
    way.time.pass(600_000);
    expect(way.attempts).toHaveLength(length);
    expect(way.statuses.at(-1)?.state).toBe('idle');
  });

  it('ends the calls that were sent when the server was started again', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.line?.cut();
    way.server = way.newServer();
    const waiting = way.open('/s/new');
    way.say(waiting, 'hello');
    way.time.pass(500);
    expect(seen.told).toEqual([
      'hello',
      expect.stringMatching(/^lost 14 the server was started again/),
    ]);
    expect(waiting.told).toEqual(['hello']);
  });

  it('ends all calls when the server does not take it back; the outcome of those that were sent is not known', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.onAttempt = (attempt) => attempt.fail({ code: 16, message: 'no longer' });
    way.line?.cut();
    const waiting = way.open();
    way.time.pass(200);
    expect(seen.told).toEqual(['hello', 'lost 14 the connection was closed: no longer']);
    expect(waiting.told).toEqual(['never sent 16 no longer']);
    connects(way);
    expect(way.talking().told).toEqual(['hello']);
  });

  it('is made again at once when the machine is online or somebody looks', () => {
    for (const why of ['online', 'visible'] as const) {
      const way = new ScriptedWay();
      way.talking();
      fails(way);
      way.line?.cut();
      way.time.pass(20_000);
      const { length } = way.attempts;
      way.comeBack(why);
      expect(way.attempts).toHaveLength(length + 1);
    }
  });

  it('is not waited for when the machine is in a network again: another is made', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.line?.stop();
    way.say(seen, 'again');
    expect(seen.told).toEqual(['hello']);
    way.comeBack('visible');
    way.time.pass(50);
    expect(way.attempts).toHaveLength(1);
    way.comeBack('online');
    way.time.pass(50);
    expect(seen.told).toEqual(['hello', 'again']);
  });
});

describe('a server that goes down', () => {
  it('finishes what it has begun, while new calls go over another connection', () => {
    const way = new ScriptedWay();
    const old = way.talking();
    const [oldServer, oldLine] = [way.server, way.line];
    oldServer.drain();
    way.time.pass(50);
    way.server = way.newServer();
    const young = way.open('/s/new');
    way.say(young, 'young');
    expect(way.attempts).toHaveLength(2);
    expect(way.line).not.toBe(oldLine);
    way.say(old, 'old');
    old.call?.halfClose();
    way.time.pass(100);
    expect(old.told).toEqual(['hello', 'old', 'end 0']);
    expect(oldServer.sessions).toBe(0);
    way.say(young, 'still');
    expect(young.told).toEqual(['young', 'still']);
    expect(way.statuses.at(-1)?.state).toBe('connected');
  });

  it('is not asked again by a call that is made again at once', () => {
    const way = new ScriptedWay();
    const old = way.talking();
    let again: Seen | undefined;
    const racing = way.open('/s/new', () => {
      again = way.open('/s/again');
      again.call?.send(text('again'));
    });
    way.server.drain();
    way.server = way.newServer();
    way.time.pass(50);
    expect(racing.told).toEqual([expect.stringMatching(/^never sent 14 the server is going down/)]);
    expect(again?.told).toEqual(['again']);
    way.say(old, 'old');
    expect(old.told).toEqual(['hello', 'old']);
  });

  it('is gone back to for what it has begun', () => {
    const way = new ScriptedWay();
    const old = way.talking();
    way.server.drain();
    way.time.pass(50);
    way.line?.cut();
    way.say(old, 'old');
    way.time.pass(500);
    expect(old.told).toEqual(['hello', 'old']);
  });
});

describe('close()', () => {
  it('ends all, tells so, and leaves nothing that goes on', () => {
    const way = new ScriptedWay();
    const seen = way.talking();
    way.server.drain();
    way.time.pass(50);
    way.server = way.newServer();
    const young = way.talking();
    way.connector.close();
    way.connector.close();
    const late = way.open();
    way.time.pass(100);
    const text = '14 the connection was closed: the connection was closed here';
    expect([seen.told, young.told]).toEqual([
      ['hello', `lost ${text}`],
      ['hello', `lost ${text}`],
    ]);
    expect(late.told).toEqual(['never sent 14 the connection was closed here']);
    expect(way.served).toContain('/s/m gone: closed');
    expect(way.statuses.at(-1)).toEqual({ state: 'closed', attempt: 0 });
    way.time.pass(600_000);
    expect(way.time.scheduler.actions).toEqual([]);
    expect(way.attempts).toHaveLength(2);
  });

  it.each([
    ['fails', fails],
    ['is refused', refuses],
    ['comes to nothing', hangs],
  ])('by a call that waited for a connection which %s is for good', (_what, fate) => {
    const way = new ScriptedWay();
    fate(way);
    way.open('/s/m', () => {
      way.connector.close();
    });
    way.time.pass(30_000);
    expectClosed(way, 1);
  });

  it('by who hears that the server does not want the token is for good', () => {
    const way = new ScriptedWay();
    refuses(way);
    way.connector.status$.subscribe(({ error }) => {
      if (error !== undefined) way.connector.close();
    });
    way.open();
    way.time.pass(30_000);
    expectClosed(way, 1);
  });

  it('by who hears of yet another attempt ends it before it is made', () => {
    const way = new ScriptedWay();
    way.talking();
    fails(way);
    way.connector.status$.subscribe(({ attempt }) => {
      if (attempt > 3) way.connector.close();
    });
    way.line?.cut();
    way.time.pass(30_000);
    expectClosed(way, 4);
  });

  it('abandons an attempt', () => {
    const way = new ScriptedWay();
    hangs(way);
    const seen = way.open();
    way.time.pass(10);
    way.connector.close();
    expect(way.attempts[0]?.isAbandoned).toBe(true);
    expect(seen.told).toEqual(['never sent 14 the connection was closed here']);
  });
});

/** Nothing comes of a call any more, and nothing goes on. */
function expectClosed(way: ScriptedWay, attempts: number): void {
  connects(way);
  const late = way.open();
  way.server.close();
  way.time.pass(600_000);
  expect(late.told).toEqual(['never sent 14 the connection was closed here']);
  expect(way.attempts).toHaveLength(attempts);
  expect(way.statuses.at(-1)).toEqual({ state: 'closed', attempt: 0 });
  expect(way.time.scheduler.actions).toEqual([]);
}

/** What happens to the way, and for how long then nothing. */
const step = fc.tuple(
  fc.constantFrom('cut', 'stop', 'fail', 'hang', 'connect', 'online', 'visible', 'say'),
  fc.integer({ min: 0, max: 400 }),
);

describe('whatever happens to the connection', () => {
  it('each word is heard once and answered once, in order, if the way is whole in the end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const way = new ScriptedWay();
        const seen = way.talking();
        const said = ['hello'];
        const does = {
          cut: () => way.line?.cut(),
          stop: () => way.line?.stop(),
          fail: () => fails(way),
          hang: () => hangs(way),
          connect: () => connects(way),
          online: () => way.comeBack('online'),
          visible: () => way.comeBack('visible'),
          say: () => {
            const word = `word ${said.length}`;
            said.push(word);
            seen.call?.send(text(word));
          },
        };
        for (const [what, ms] of steps) {
          does[what]();
          way.time.pass(ms);
        }
        connects(way);
        way.time.pass(55_000);
        expect(seen.told).toEqual(said);
        expect(way.served).toEqual(said.map((word) => `/s/m ${word}`));
        way.connector.close();
        way.server.close();
        way.time.pass(100_000);
        expect(way.time.scheduler.actions).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
