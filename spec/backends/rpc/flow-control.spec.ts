import { afterEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, from, throwError } from 'rxjs';
import {
  ConnectionLostError,
  OutputLimitError,
  SandboxClient,
  type Process,
  type ProcessEvent,
  type Sandbox,
  type SandboxBackend,
} from 'sandbox-rx';
import { localBackend, type ConnectedBackend } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { elapsed, eventually, failureOf } from '../../contract/kit.js';
import { Remote } from '../../support/remote.js';
import { processOf, uniqueSeconds } from '../local/host.js';

const MiB = 1_048_576;
const windowBytes = MiB;
/** What a hop may hold of one stream. */
const hopBytes = windowBytes + MiB;
/** The pipe of the process, what is being read of it, and one message on its way. */
const slackBytes = 4 * 65_536;

let remote = new Remote();
afterEach(async () => {
  await remote.close();
  remote = new Remote();
});

async function sandboxOver(hops: number, window = windowBytes): Promise<Sandbox> {
  const backend = localBackend({ isolation: 'none' });
  const sandbox = await (await remote.chain(backend, { hops, windowBytes: window })).create();
  return remote.add(sandbox, (opened) => opened.delete());
}

/** Zeros without end, by a process that can be found: its block size is its own. */
function zeros(): readonly string[] {
  return ['head', '-c', `9${String(Math.random()).slice(2, 15)}`, '/dev/zero'];
}

/** What a process has written so far, by the kernel's count. */
function writtenBy(command: readonly string[]): number {
  const pid = processOf(command);
  const io = pid === undefined ? '' : readFileSync(`/proc/${pid}/io`, 'latin1');
  return Number(/wchar: (\d+)/.exec(io)?.[1] ?? -1);
}

/** Counts what arrives of a run. */
function arrived(process: Pick<Process, 'events$'>): () => number {
  let bytes = 0;
  process.events$.subscribe({
    next: (event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    },
    error: () => undefined,
  });
  return () => bytes;
}

/** Waits until a number no longer changes. */
async function settled(count: () => number): Promise<number> {
  let before = NaN;
  let same = 0;
  await eventually('it stands still', async () => {
    same = before === count() ? same + 1 : 0;
    before = count();
    await elapsed(50);
    return same >= 8;
  });
  return before;
}

const slowly = { highWaterMark: 65_536, retainBytes: 65_536, encoding: 'buffer' } as const;

describe.each([1, 2])('a paused reader over %i hops', (hops) => {
  it('makes the process wait in write(2), with no more than a window and 1 MiB a hop on the way', async () => {
    const sandbox = await sandboxOver(hops);
    const command = zeros();
    const process = sandbox.exec(command, slowly);
    const received = arrived(process);
    const reader = process.stdout[Symbol.asyncIterator]();
    await reader.next();
    await eventually('it writes', () => writtenBy(command) > 0);
    await settled(received);
    const written = await settled(() => writtenBy(command));

    expect(written - received()).toBeLessThanOrEqual(hops * hopBytes + slackBytes);
    expect(readFileSync(`/proc/${processOf(command)}/wchan`, 'latin1')).toMatch(
      /pipe_w|sock_alloc|^0$/,
    );

    // The others on this connection go on, many times its window.
    const other = await sandbox.exec(['head', '-c', String(8 * MiB), '/dev/zero']);
    expect(other.stdoutTotalBytes).toBe(8 * MiB);
    expect(writtenBy(command)).toBe(written);

    for (let read = 0; read < 4 * hopBytes;) {
      const { value } = await reader.next();
      read += value?.length ?? Infinity;
    }
    await eventually('it goes on', () => writtenBy(command) > written + hopBytes);
    process.cancel();
    await process.closed;
    expect(processOf(command)).toBeUndefined();
  });

  it.each([1000, 700_000, 3 * MiB, 20 * MiB])(
    'gets all of %i bytes and the exit, however late it reads them',
    async (bytes) => {
      const sandbox = await sandboxOver(hops);
      const script = `yes "$0" | head -c ${bytes}; exit 7`;
      const process = sandbox.exec(['sh', '-c', script, uniqueSeconds()], slowly);
      const received = arrived(process);
      const digest = createHash('sha256');
      let read = 0;
      for await (const chunk of process.stdout) {
        // As late as can be: nothing more comes until this is read.
        if (read === 0) await settled(received);
        read += chunk.length;
        digest.update(chunk);
      }
      const word = process.command[3] ?? '';
      const expected = `${word}\n`.repeat(Math.ceil(bytes / (word.length + 1))).slice(0, bytes);
      expect(read).toBe(bytes);
      expect(digest.digest('hex')).toBe(createHash('sha256').update(expected).digest('hex'));
      expect(await process.wait()).toBe(7);
    },
  );

  it('makes a writer wait for a process that does not read, and loses nothing of what it wrote', async () => {
    const sandbox = await sandboxOver(hops);
    const directory = remote.add(mkdtempSync(join(tmpdir(), 'gate-')), (path) => {
      rmSync(path, { recursive: true });
    });
    const gate = join(directory, 'open');
    const script = 'until [ -e "$0" ]; do sleep 0.02; done; sha256sum';
    const process = sandbox.exec(['sh', '-c', script, gate], { stdin: true });
    const digest = createHash('sha256');
    let written = 0;
    const writing = (async () => {
      for (let piece = 0; written < 24 * MiB; piece++) {
        const data = new Uint8Array(65_536).fill(piece);
        await process.stdin?.write(data);
        digest.update(data);
        written += data.length;
      }
      await process.stdin?.close();
    })();
    await eventually('it writes', () => written > 0);
    // 1 MiB waits in the writer, 1 MiB in the host and as much in its stream; the server's window is 64 KiB.
    expect(await settled(() => written)).toBeLessThanOrEqual(MiB + hops * (3 * MiB) + slackBytes);
    expect(await sandbox.exec(['echo', 'others go on'])).toMatchObject({ returncode: 0 });
    writeFileSync(gate, '');
    await writing;
    expect((await process.result()).stdout).toBe(`${digest.digest('hex')}  -\n`);
  });

  it('is told at once that the connection is lost', async () => {
    let top: SandboxBackend = localBackend({ isolation: 'none' });
    const connections: ConnectedBackend[] = [];
    for (let hop = 0; hop < hops; hop++) {
      const connection = remote.backend(await remote.host(top), { windowBytes });
      connections.push(connection);
      top = connection;
    }
    const command = zeros();
    const process = (await new SandboxClient(top).create()).exec(command, slowly);
    const received = arrived(process);
    await process.stdout[Symbol.asyncIterator]().next();
    await settled(received);
    connections.at(-1)?.close();
    expect(await failureOf(process.wait())).toBeInstanceOf(ConnectionLostError);
    await process.closed;
    await eventually('it was killed', () => processOf(command) === undefined);
  });

  it('gets all output before an error, in the order in which it was told', async () => {
    const pieces = Array.from({ length: 40 }, (_, n): ProcessEvent => {
      return { type: 'stdout', data: new Uint8Array(65_536).fill(n), offset: n * 65_536 };
    });
    const broken = new OutputLimitError('it is too much', 77, { runId: 'inner' });
    const memory = memoryBackend();
    const failing: SandboxBackend = new Proxy(memory, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (key === 'exec')
          return () =>
            concat(
              from(pieces),
              throwError(() => broken),
            );
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const sandbox = await (await remote.chain(failing, { hops, windowBytes })).create();
    for (const pauseMs of [0, 5]) {
      const process = sandbox.exec(['x'], slowly);
      let read = 0;
      const reading = (async () => {
        for await (const chunk of process.stdout) {
          expect(chunk.every((byte, index) => byte === Math.floor((read + index) / 65_536))).toBe(
            true,
          );
          read += chunk.length;
          if (pauseMs > 0) await elapsed(pauseMs);
        }
      })();
      expect(await failureOf(reading)).toMatchObject({ code: 'ERR_OUTPUT_LIMIT', limit: 77 });
      expect(read).toBe(40 * 65_536);
    }
  });
});
