import { afterEach, describe, expect, it } from '@jest/globals';
import {
  BehaviorSubject,
  lastValueFrom,
  NEVER,
  type Observable,
  Subject,
  tap,
  toArray,
} from 'rxjs';
import type { OutputEvent, Sandbox } from 'sandbox-rx';
import { grpcBackend, websocketBackend } from 'sandbox-rx/node';
import { exit, memoryBackend, out, type ProgramStep } from 'sandbox-rx/testing';
import {
  StreamLogsRequest,
  type LogEntry,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { FaultyWay } from '../support/faulty-way.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const logBytes = 5000;
const pieceBytes = 1000;

/** A sandbox on a host that keeps the last five pieces of what its main command writes, and how to have it write. */
async function written(pieces: number) {
  const steps: Subject<ProgramStep> = new Subject();
  const url = await remote.host(memoryBackend({ programs: { main: () => steps } }), { logBytes });
  const sandbox = await remote.client(url).create({ command: ['main'] });
  const write = (count: number): void => {
    for (let piece = 0; piece < count; piece++) steps.next(out('x'.repeat(pieceBytes)));
  };
  const end = (): void => {
    steps.next(exit(0));
    steps.complete();
  };
  write(pieces);
  const isThere = async () => (await logsOf(sandbox)).some(({ data }) => data.length > 0);
  await eventually('it has written', isThere);
  return { url, sandbox, write, end };
}

function logsOf(sandbox: Sandbox): Promise<readonly OutputEvent[]> {
  return lastValueFrom(sandbox.logs$().pipe(toArray()));
}

/** Where output begins and ends, one event after the other without a gap. */
function spanOf(events: readonly OutputEvent[]): readonly [number, number] {
  const begin = events[0]?.offset ?? 0;
  let end = begin;
  for (const { offset, data } of events) {
    expect(offset).toBe(end);
    end += data.length;
  }
  return [begin, end];
}

describe('logs whose begin is not kept any more', () => {
  it('begin at the offset that they have', async () => {
    const { sandbox } = await written(12);
    expect(spanOf(await logsOf(sandbox))).toEqual([7000, 12_000]);
  });

  it('go on at it when they break', async () => {
    const { url, sandbox, write, end } = await written(12);
    const way = remote.add(await FaultyWay.to(url), (one) => one.close());
    const client = remote.client(way.url);
    const events: OutputEvent[] = [];
    const followed$ = (await client.get(sandbox.id)).logs$({ follow: true });
    let isOver = false;
    followed$.subscribe({
      next: (event) => events.push(event),
      complete: () => (isOver = true),
    });
    const arrived = (bytes: number) => () => events.length > 0 && spanOf(events)[1] === bytes;
    await eventually('what there is has come', arrived(12_000));
    way.cut('reset');
    write(2);
    await eventually('it goes on', arrived(14_000));
    end();
    await eventually('it is over', () => isOver);
    expect(spanOf(events)).toEqual([7000, 14_000]);
  });

  it('jump over what went while they were broken', async () => {
    const { url, sandbox, write, end } = await written(1);
    const way = remote.add(await FaultyWay.to(url), (one) => one.close());
    const events: OutputEvent[] = [];
    const followed$ = (await remote.client(way.url).get(sandbox.id)).logs$({ follow: true });
    const over = lastValueFrom(followed$.pipe(tap((event) => events.push(event))));
    await eventually('what there is has come', () => events.length > 0);
    way.cut('reset');
    write(20);
    end();
    await over;
    expect(events[1]?.offset).toBe(16_000);
    expect(spanOf(events.slice(1))).toEqual([16_000, 21_000]);
  });

  it('are counted from the begin of their session for clients of others', async () => {
    const { url, sandbox } = await written(12);
    const entries: LogEntry[] = [];
    const request = StreamLogsRequest.fromPartial({ sandboxId: sandbox.id });
    for await (const entry of remote.bare(url).read('streamLogs', request))
      entries.push(entry as LogEntry);
    expect(entries.at(-1)?.nextLogOffset).toBe(5000n);
  });
});

describe('a reader of logs who pauses', () => {
  it.each([
    ['gRPC', 'http', grpcBackend],
    ['a WebSocket', 'ws', websocketBackend],
  ])('takes no more, and holds nobody up: over %s', async (_, scheme, backendOf) => {
    const { url, sandbox, write, end } = await written(1);
    const open = backendOf({ url: url.replace('http', scheme) });
    const backend = remote.add(open, (one) => one.close());
    const follow = (paused$: Observable<boolean>) => {
      const events: OutputEvent[] = [];
      const logs$ = backend.logs({ sandboxId: sandbox.id, follow: true, paused$ });
      const over = lastValueFrom(logs$.pipe(tap((event) => events.push(event))));
      return { events, over };
    };
    const paused = new BehaviorSubject(true);
    const slow = follow(paused);
    const fast = follow(NEVER);
    for (let pieces = 1; pieces < 20; pieces++) {
      const isThere = () => spanOf(fast.events)[1] === pieces * pieceBytes;
      await eventually('who does not pause has it all', isThere);
      write(1);
    }
    end();
    await fast.over;
    expect(slow.events.length).toBeLessThanOrEqual(1);
    paused.next(false);
    await slow.over;
    expect(spanOf(slow.events)).toEqual([0, 20 * pieceBytes]);
  });
});
