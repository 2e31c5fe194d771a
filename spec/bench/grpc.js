// @ts-check
// Runs over gRPC: our client against bare grpc-js, and our host against the backend that it serves.
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { alternate, inChildren, median, ours, perSecond, quantile, quick } from './harness.js';
import { grpcBackend, localBackend, Sandbox, SandboxClient } from './library.js';
import { distant, frame, initMessage, mebibyte, memory, start, streamExec } from './servers.js';

const windowBytes = 8 * mebibyte;
const totalBytes = (quick ? 64 : 1024) * mebibyte;

/** @typedef {{ url: string, total: number, unit: number }} Target */

/** @param {number} bytes */
function zeros(bytes) {
  return ['head', '-c', String(bytes), '/dev/zero'];
}

/** Reads a stream with bare grpc-js, and leaves the messages as they are. */
function bare(/** @type {number} */ window) {
  return (/** @type {Target} */ { url, total, unit }) =>
    perSecond(total / unit, async () => {
      const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure(), {
        'grpc-node.flow_control_window': window,
        'grpc.max_receive_message_length': -1,
      });
      const as = (/** @type {Buffer} */ bytes) => bytes;
      const call = client.makeBidiStreamRequest(streamExec.path, as, as);
      call.write(Buffer.alloc(0));
      call.end();
      let bytes = 0;
      call.on('data', (message) => {
        bytes += message.length;
      });
      await new Promise((resolve, reject) => {
        call.on('end', resolve);
        call.on('error', reject);
      });
      if (bytes < total) throw new Error(`${bytes} of ${total} bytes came`);
      client.close();
    });
}

/** Reads a run's events with our client. */
function events(/** @type {Target} */ { url, total, unit }) {
  return perSecond(total / unit, async () => {
    const backend = grpcBackend({ url, windowBytes });
    const sandbox = new Sandbox(backend, 'any');
    let bytes = 0;
    await sandbox.exec(['any']).events$.forEach((/** @type {any} */ event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    });
    if (bytes !== total) throw new Error(`${bytes} of ${total} bytes came`);
    backend.close();
  });
}

const readers = {
  'grpc-js': bare(windowBytes),
  'grpc-js, default window': bare(65_535),
  [`${ours} events$`]: events,
};

/**
 * How much more memory a slow reader's program has at its peak than before, in MiB.
 *
 * @param {(about: SlowTarget, bytes: number) => Promise<number>} read
 */
function slowly(read) {
  return async (/** @type {SlowTarget} */ about) => {
    await read(about, mebibyte);
    const idle = memory().now;
    const got = await read(about, about.total);
    if (got < about.total) throw new Error(`${got} of ${about.total} bytes came`);
    return { value: memory().peak - idle, idle };
  };
}

/** @typedef {{ url: string, sandboxId: string, total: number }} SlowTarget */

/** @param {SlowTarget} about @param {number} bytes */
async function ourSlowReader({ url, sandboxId }, bytes) {
  const backend = grpcBackend({ url });
  const sandbox = new Sandbox(backend, sandboxId);
  const process = sandbox.exec(zeros(bytes), { encoding: 'buffer' });
  let got = 0;
  for await (const chunk of process.stdout) {
    got += chunk.length;
    await sleep(1);
  }
  backend.close();
  return got;
}

/** @param {SlowTarget} about @param {number} bytes */
async function bareSlowReader({ url, sandboxId }, bytes) {
  const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure(), {
    'grpc-node.flow_control_window': windowBytes,
  });
  const as = (/** @type {Buffer} */ message) => message;
  const call = client.makeBidiStreamRequest(streamExec.path, as, as);
  call.write(initMessage(sandboxId, zeros(bytes)));
  call.end();
  let got = 0;
  for await (const message of call) {
    got += message.length;
    await sleep(1);
  }
  client.close();
  return got;
}

export const variants = {
  ...readers,
  'frames of 64 KiB': runOnHost,
  [`${ours} host`]: runOnHost,
  'grpc-js client': slowly(bareSlowReader),
  [`${ours} client`]: slowly(ourSlowReader),
};

/** @param {{ measure: string, unit: string, target: string, rounds: number, server: any, parameters: Target }} about */
async function readersOf({ server, parameters, ...about }) {
  const measured = await alternate({
    ...about,
    better: 'higher',
    reference: 'grpc-js',
    warmUp: false,
    variants: inChildren(import.meta.url, Object.keys(readers), parameters),
  });
  server.stop();
  return measured;
}

async function throughput() {
  const server = await start('bare', { total: totalBytes, size: frame });
  return readersOf({
    server,
    measure: `${totalBytes / mebibyte} MiB in frames of 64 KiB`,
    unit: 'MiB/s',
    target: 'at least 0.9 of grpc-js',
    rounds: quick ? 2 : 7,
    parameters: { url: server.url, total: totalBytes, unit: mebibyte },
  });
}

/**
 * A run on a host, read by our client. Each turn has a host of its own: one that lives through all of them is now in one
 * regime of V8's collections and then in another, which are a factor of two apart.
 *
 * @param {{ kind: 'local' | 'programs', command: readonly string[], maxFrameBytes?: number }} parameters
 */
async function runOnHost({ kind, command, ...limits }) {
  const server = await start(kind, { limits });
  const backend = grpcBackend({ url: server.url });
  const sandbox = await new SandboxClient(backend).create();
  const read = async () => {
    let bytes = 0;
    await sandbox.exec(command).events$.forEach((/** @type {any} */ event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    });
    if (bytes !== totalBytes) throw new Error(`${bytes} of ${totalBytes} bytes came`);
  };
  await read();
  const { cpuMs } = await server.memory();
  const sample = await perSecond(totalBytes / mebibyte, read);
  const spent = (await server.memory()).cpuMs - cpuMs;
  await sandbox.delete();
  backend.close();
  server.stop();
  return { ...sample, "host's CPU ms each": spent / (totalBytes / mebibyte) };
}

const chunks = String(totalBytes / frame);

/** What writes 64 KiB at a time. */
const writers = {
  'a program of the memory backend': {
    kind: 'programs',
    command: ['zeros', String(totalBytes), String(frame)],
  },
  'a process of the local backend': {
    kind: 'local',
    command: ['dd', 'if=/dev/zero', 'bs=64K', `count=${chunks}`, 'status=none'],
  },
};

/** The sizes of frames: 64 KiB at most, and as the host makes them. */
async function ownFrames() {
  const measures = [];
  for (const [writer, parameters] of Object.entries(writers)) {
    measures.push(
      await alternate({
        measure: `${totalBytes / mebibyte} MiB of ${writer} on a host, which writes 64 KiB at a time`,
        unit: 'MiB/s',
        better: 'higher',
        reference: 'frames of 64 KiB',
        target: 'at least 1.3 of frames of 64 KiB',
        rounds: quick ? 3 : 7,
        warmUp: false,
        variants: {
          ...inChildren(import.meta.url, ['frames of 64 KiB'], {
            ...parameters,
            maxFrameBytes: frame,
          }),
          ...inChildren(import.meta.url, [`${ours} host`], parameters),
        },
      }),
    );
  }
  return measures;
}

async function smallMessages() {
  const count = quick ? 20_000 : 300_000;
  const server = await start('bare', { total: count * 64, size: 64 });
  return readersOf({
    server,
    measure: `${count} frames of 64 bytes`,
    unit: 'messages/s',
    target: 'at least 0.8 of grpc-js',
    rounds: quick ? 2 : 7,
    parameters: { url: server.url, total: count * 64, unit: 64 },
  });
}

async function farAway(/** @type {number} */ roundTripMs) {
  // Each long enough that how it begins does not count.
  const [few, many] = quick ? [4, 16] : [16, 256];
  const slow = await distantServer(few * mebibyte, roundTripMs);
  const fast = await distantServer(many * mebibyte, roundTripMs);
  const measured = await alternate({
    measure: `one stream over a round trip of ${roundTripMs} ms`,
    unit: 'MiB/s',
    better: 'higher',
    reference: 'grpc-js, default window',
    target: '30 times grpc-js with its default window',
    rounds: quick ? 1 : 3,
    warmUp: false,
    variants: {
      ...inChildren(import.meta.url, ['grpc-js, default window'], slow.parameters),
      ...inChildren(import.meta.url, [`${ours} events$`], fast.parameters),
    },
  });
  slow.stop();
  fast.stop();
  return measured;
}

/** A server that sends so much, so far away. */
async function distantServer(/** @type {number} */ total, /** @type {number} */ roundTripMs) {
  const server = await start('bare', { total, size: frame });
  const proxy = await distant(server.url, roundTripMs / 2);
  const stop = () => {
    proxy.stop();
    server.stop();
  };
  return { parameters: { url: proxy.url, total, unit: mebibyte }, stop };
}

/** @param {() => Promise<unknown>} once */
function latency(once) {
  return async () => {
    /** @type {number[]} */
    const taken = [];
    for (let i = 0; i < 30; i++) {
      const begun = performance.now();
      await once();
      taken.push(performance.now() - begun);
    }
    return { value: median(taken), p99: quantile(taken, 0.99) };
  };
}

async function execs() {
  const server = await start('local');
  const backend = grpcBackend({ url: server.url });
  const near = await new SandboxClient(localBackend({ isolation: 'none' })).create();
  const far = await new SandboxClient(backend).create();
  const one = await alternate({
    measure: '`true` in a running sandbox, one at a time',
    unit: 'ms',
    better: 'lower',
    reference: 'local backend',
    target: 'at most 3 ms more than on the local backend',
    rounds: quick ? 3 : 15,
    variants: {
      'local backend': latency(() => near.exec(['true']).wait()),
      [`${ours} over the host`]: latency(() => far.exec(['true']).wait()),
    },
  });
  const measures = [one];
  for (const count of [64, 256]) {
    const all = (/** @type {any} */ sandbox) => async () => {
      const begun = performance.now();
      const runs = Array.from({ length: count }, () => sandbox.exec(['true']).wait());
      const failed = (await Promise.all(runs)).filter((returncode) => returncode !== 0).length;
      return { value: performance.now() - begun, failed };
    };
    measures.push(
      await alternate({
        measure: `${count} times \`true\` at once`,
        unit: 'ms',
        better: 'lower',
        reference: 'local backend',
        target: 'at most 1.3 times the local backend; all succeed',
        rounds: quick ? 2 : 9,
        variants: { 'local backend': all(near), [`${ours} over the host`]: all(far) },
      }),
    );
  }
  await near.delete();
  await far.delete();
  backend.close();
  server.stop();
  return measures;
}

async function slowReaders() {
  const total = (quick ? 64 : 256) * mebibyte;
  const server = await start('local');
  const backend = grpcBackend({ url: server.url });
  const sandbox = await new SandboxClient(backend).create();
  const clients = inChildren(import.meta.url, ['grpc-js client', `${ours} client`], {
    ...{ url: server.url, sandboxId: sandbox.id, total },
  });
  await sandbox.exec(zeros(mebibyte));
  const { now } = await server.memory();
  const measured = await alternate({
    measure: `peak memory above idle, ${total / mebibyte} MiB to a reader who takes 1 ms a chunk`,
    unit: 'MiB',
    better: 'lower',
    reference: 'grpc-js client',
    target: 'at most 16 MiB each',
    rounds: quick ? 1 : 3,
    warmUp: false,
    variants: {
      ...clients,
      // All its turns so far.
      [`${ours} host`]: async () => ({ value: (await server.memory()).peak - now, idle: now }),
    },
  });
  await sandbox.delete();
  backend.close();
  server.stop();
  return measured;
}

async function idle() {
  const count = quick ? 100 : 1000;
  return alternate({
    measure: `memory of the host with ${count} sandboxes and as many idle streams, each`,
    unit: 'KiB',
    better: 'lower',
    reference: `${ours} host`,
    target: 'at most 100 KiB each',
    rounds: quick ? 1 : 3,
    warmUp: false,
    variants: {
      [`${ours} host`]: async () => {
        const server = await start('memory');
        const backend = grpcBackend({ url: server.url });
        const client = new SandboxClient(backend);
        await (await client.create()).delete();
        const before = (await server.memory()).now;
        for (let i = 0; i < count; i++) {
          const run = (await client.create()).exec(['sleep']);
          run.result().catch(() => undefined);
        }
        await (await client.create()).status();
        const after = (await server.memory()).now;
        server.stop();
        backend.close();
        return { value: ((after - before) * 1024) / count };
      },
    },
  });
}

export async function run() {
  return [
    await throughput(),
    ...(await ownFrames()),
    await smallMessages(),
    await farAway(10),
    await farAway(50),
    ...(await execs()),
    await slowReaders(),
    await idle(),
  ];
}
