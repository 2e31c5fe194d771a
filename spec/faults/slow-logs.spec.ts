import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { lastValueFrom, tap } from 'rxjs';
import type { OutputEvent } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import {
  StreamLogsRequest,
  type LogEntry,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { eventually } from '../contract/kit.js';
import { Remote } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const MiB = 1_048_576;
const flood = `head -c ${256 * MiB} /dev/zero`;

describe('a follower of logs that does not read', () => {
  it('costs the host no more than it keeps, and is told what it has missed', async () => {
    const backend = localBackend({ isolation: 'none' });
    const host = remote.add(await FaultyHost.of(backend, { logBytes: MiB }), (one) => one.close());
    const before = process.memoryUsage().rss;
    const command = ['sh', '-c', `sleep 1; ${flood}`];
    const sandbox = await host.client.create({ command });
    const request = StreamLogsRequest.fromPartial({ sandboxId: sandbox.id, follow: true });
    const stream = remote.bare(host.url).read('streamLogs', request);
    stream.on('error', () => undefined);
    stream.pause();
    expect(await sandbox.wait()).toMatchObject({ returncode: 0 });
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * MiB);

    const entries: LogEntry[] = [];
    stream.on('data', (entry: LogEntry) => entries.push(entry));
    stream.resume();
    await once(stream, 'end');
    const last = entries.pop();
    expect(last?.error).toMatchObject({ code: 'STREAM_TRUNCATED' });
    let told = 0;
    for (const { data, nextLogOffset } of entries) {
      told += data.length;
      expect(Number(nextLogOffset)).toBe(told);
    }
    expect(told).toBeLessThan(256 * MiB);
  });

  it('goes on behind a jump where it is one of ours', async () => {
    const backend = localBackend({ isolation: 'none' });
    const host = remote.add(await FaultyHost.of(backend, { logBytes: MiB }), (one) => one.close());
    const { way, client } = remote.add(await host.faulty(), (one) => {
      one.close();
    });
    const command = ['sh', '-c', `echo begin; until test -e go; do sleep 0.05; done; ${flood}`];
    const sandbox = await host.client.create({ command });
    const events: OutputEvent[] = [];
    const logs$ = (await client.get(sandbox.id)).logs$({ follow: true });
    const over = lastValueFrom(logs$.pipe(tap((event) => events.push(event))));
    await eventually('it has begun', () => events.length > 0);
    way.fallSilent();
    await sandbox.files.write('go', '');
    expect(await sandbox.wait()).toMatchObject({ returncode: 0 });
    way.speak();
    await over;

    let [end, missing, told] = [0, 0, 0];
    for (const { offset, data } of events) {
      missing += offset - end;
      told += data.length;
      end = offset + data.length;
    }
    expect(end).toBe('begin\n'.length + 256 * MiB);
    expect(missing).toBeGreaterThan(128 * MiB);
    expect(told + missing).toBe(end);
  });
});
