import { afterEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { HostOptions } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { processesWith, uniqueWord } from '../backends/local/host.js';
import { startPiped } from '../cli/program.js';
import { eventually } from '../contract/kit.js';
import { isolationForTests } from '../support/isolation.js';
import { Remote } from '../support/remote.js';
import { FaultyHost } from './faulty-host.js';

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

async function hosted(options: HostOptions = {}) {
  const backend = localBackend({ isolation: isolationForTests() });
  const host = remote.add(await FaultyHost.of(backend, options), (one) => one.close());
  const sandbox = await host.client.create();
  return { host, sandbox, word: uniqueWord() };
}

/** Writes without end, with a helper that has left its session. */
const endless = 'setsid sleep 6000 & yes # ';

/** A client in a process of its own, in the middle of the output of its run. */
async function clientOf({ host, sandbox, word }: Awaited<ReturnType<typeof hosted>>) {
  const child = startPiped(
    {},
    '--url',
    host.url,
    'exec',
    sandbox.id,
    '--',
    'sh',
    '-c',
    `${endless}${word}`,
  );
  remote.add(child, () => void child.kill('SIGKILL'));
  let bytes = 0;
  child.stdout.on('data', (data: Buffer) => (bytes += data.length));
  await eventually('it tells', () => bytes > 1000);
  expect(processesWith(word).length).toBeGreaterThan(1);
  return child;
}

describe('a client', () => {
  it('that is killed in the middle of a run takes the run with it', async () => {
    const one = await hosted();
    (await clientOf(one)).kill('SIGKILL');
    await one.host.nothingLeft(one.word);
    expect((await one.sandbox.exec(['echo', 'on'])).stdout).toBe('on\n');
  });

  it('that is killed while it does not read takes the run with it', async () => {
    const one = await hosted();
    const client = await clientOf(one);
    client.stdout.pause();
    await one.host.paused();
    client.kill('SIGKILL');
    await one.host.nothingLeft(one.word);
  });

  it('that is killed in the middle of its input does not end that as if it were all', async () => {
    const one = await hosted();
    const { host, sandbox, word } = one;
    const script = `trap "" TERM; cat > "$HOME/part" && echo all > "$HOME/all"; : ${word}`;
    const client = startPiped(
      {},
      '--url',
      host.url,
      'exec',
      '-i',
      sandbox.id,
      '--',
      'sh',
      '-c',
      script,
    );
    client.stdin.on('error', () => undefined);
    client.stdin.write(randomBytes(300_000));
    const partOf = async () => (await sandbox.exec(['sh', '-c', 'cat part | wc -c'])).stdout.trim();
    await eventually('it has some of it', async () => Number(await partOf()) > 0);
    client.kill('SIGKILL');
    await host.nothingLeft(word);
    expect((await sandbox.exec(['ls'])).stdout).toBe('part\n');
  });

  it('that is stopped is found out by keepalive, and its run is ended', async () => {
    const one = await hosted({ keepaliveMs: 1000, keepaliveTimeoutMs: 1000 });
    const client = await clientOf(one);
    client.kill('SIGSTOP');
    await one.host.idle();
    client.kill('SIGCONT');
    const [code] = (await once(client, 'exit')) as [number | null];
    // No status of a command: it does not know how that ended.
    expect(code).toBe(125);
    await one.host.nothingLeft(one.word);
  });
});
