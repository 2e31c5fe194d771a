import { afterEach, describe, expect, it } from '@jest/globals';
import { Metadata, type sendUnaryData, type ServerWritableStream } from '@grpc/grpc-js';
import { once } from 'node:events';
import { firstValueFrom, take } from 'rxjs';
import { Extension, extensionVersion } from '../../lib/wire/extension.js';
import {
  LogEntry,
  Sandbox as SandboxMessage,
  type StreamLogsRequest,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { Remote } from '../support/remote.js';
import { useHost } from './host.js';
import { ended, jsonLines, start } from './program.js';

const host = useHost();

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

/** A sandbox with this main command. */
async function create(...command: readonly string[]): Promise<string> {
  return (await host.client.create({ command })).id;
}

describe('sandbox-rx logs', () => {
  const script = 'echo one; until test -e go; do sleep 0.05; done; printf "two\\377"; exit 3';

  it('prints what there is, and with -f all until the end', async () => {
    const sandbox = await host.client.get(await create('sh', '-c', script));
    await firstValueFrom(sandbox.logs$({ follow: true }).pipe(take(1)));
    expect(await host.run('logs', sandbox.id)).toMatchObject({ code: 0, stdout: 'one\n' });

    const child = host.start('logs', '-f', '--json', sandbox.id);
    child.stdout?.once('data', () => void sandbox.files.write('go', ''));
    const { code, stdout } = await ended(child);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toEqual([
      { type: 'stdout', offset: 0, text: 'one\n' },
      { type: 'stdout', offset: 4, base64: 'dHdv/w==' },
    ]);
  });

  it('prints the last lines, what came since, and when', async () => {
    const id = await create('sh', '-c', 'echo one; echo two; echo three');
    await (await host.client.get(id)).wait();
    const said = async (...options: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await host.run('logs', ...options, id);
      return stdout + stderr;
    };
    expect(await said('--tail', '2')).toBe('two\nthree\n');
    expect(await said('--since', '1h')).toBe('one\ntwo\nthree\n');
    expect(await said('--since', new Date(Date.now() + 3_600_000).toISOString())).toBe('');
    expect(await said('--tail', '1', '--timestamps')).toMatch(/^\d{4}-\S+Z three\n$/);
    expect(await said('--tail', '0')).toMatch(/tailLines must be a whole number from 1 /);
    expect(await said('--since', '2026-99-99')).toMatch(/It is no time/);
  });

  it('says what is not kept any more', async () => {
    const id = await create('sh', '-c', 'head -c 5000000 /dev/zero; echo end');
    await (await host.client.get(id)).wait();
    const { code, stdout, stderr } = await host.run('logs', id);
    expect(code).toBe(0);
    expect(stdout.endsWith('\0end\n')).toBe(true);
    const lost = 5_000_004 - stdout.length;
    expect(lost).toBeGreaterThan(0);
    expect(stderr).toBe(`sandbox-rx: the first ${lost} bytes are no longer kept\n`);
    const json = await host.run('logs', '--json', id);
    expect(JSON.parse(json.stdout.split('\n')[0] ?? '')).toMatchObject({ offset: lost });
  });

  it('ends when nobody reads any more', async () => {
    const id = await create('yes');
    const child = host.start('logs', '-f', id);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await once(child, 'exit')).toEqual([141, null]);
    await (await host.client.get(id)).delete();
  });

  it('takes no more than is read, and says what was missed', async () => {
    const MB = 1_000_000;
    const script = `echo begin; until test -e go; do sleep 0.05; done
      for i in $(seq 64); do head -c ${MB} /dev/zero; sleep 0.01; done`;
    const id = await create('sh', '-c', script);
    const sandbox = await host.client.get(id);
    const child = host.start('logs', '-f', id);
    await once(child.stdout ?? child, 'readable');
    await sandbox.files.write('go', '');
    expect(await sandbox.wait()).toMatchObject({ returncode: 0 });
    const { code, stdout, stderr } = await ended(child);
    expect(code).toBe(0);
    // Less than is kept here, there and on the way.
    expect(stdout.length).toBeLessThan(32 * MB);
    const missed = 'begin\n'.length + 64 * MB - stdout.length;
    expect(stderr).toBe(
      `sandbox-rx: ${missed} bytes were missed: they came faster than was read\n`,
    );
  });

  /** As a host of ours does: these pieces, each with the offset after it. */
  async function telling(...pieces: readonly (readonly [string, number])[]): Promise<string> {
    return remote.service({
      getSandbox: (_: unknown, answer: sendUnaryData<SandboxMessage>) => {
        answer(null, SandboxMessage.fromPartial({ sandboxId: 'x' }));
      },
      streamLogs: (call: ServerWritableStream<StreamLogsRequest, LogEntry>) => {
        const metadata = new Metadata();
        metadata.set(Extension.mark, extensionVersion);
        call.sendMetadata(metadata);
        for (const [text, end] of pieces) {
          const data = Buffer.from(text, 'latin1');
          call.write(LogEntry.fromPartial({ data, nextLogOffset: BigInt(end) }));
        }
        call.end();
      },
    });
  }

  it('says how much a reader who was too slow has missed', async () => {
    const url = await telling(['text', 104], ['text', 1000], ['text', 1004], ['text', 2000]);
    expect(await ended(start('--url', url, 'logs', '-f', 'x'))).toMatchObject({
      ...{ code: 0, stdout: 'text'.repeat(4) },
      stderr:
        'sandbox-rx: the first 100 bytes are no longer kept\n' +
        'sandbox-rx: 1884 bytes were missed: they came faster than was read\n',
    });
  });

  it('prints a character whole with --json, where nothing is missing in it', async () => {
    const url = await telling(['a\xc3', 2], ['\xa9\xe2', 4], ['\x82\xacb', 100]);
    const { stdout } = await ended(start('--url', url, 'logs', '--json', 'x'));
    expect(jsonLines(stdout)).toEqual([
      { type: 'stdout', offset: 0, text: 'a' },
      { type: 'stdout', offset: 1, text: 'é' },
      { type: 'stdout', offset: 3, base64: '4g==' },
      { type: 'stdout', offset: 97, base64: 'gqxi' },
    ]);
  });
});
