import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { localBackend } from 'sandbox-rx/node';
import {
  StreamLogsRequest,
  type LogEntry,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { Remote } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

const MiB = 1_048_576;

describe('a follower of logs that does not read', () => {
  it('costs the host no more than it keeps, and is told what it has missed', async () => {
    const backend = localBackend({ isolation: 'none' });
    const host = remote.add(await FaultyHost.of(backend, { logBytes: MiB }), (one) => one.close());
    const before = process.memoryUsage().rss;
    const command = ['sh', '-c', `sleep 1; head -c ${256 * MiB} /dev/zero`];
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
});
