// @ts-check
// Runs over one WebSocket: our tunnel against bare ws messages, and against our own gRPC.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { alternate, inChildren, median, ours, perSecond, quantile, quick } from './harness.js';
import { grpcBackend, SandboxClient, websocketBackend } from './library.js';
import { distant, frame, mebibyte, start } from './servers.js';

const totalBytes = (quick ? 64 : 1024) * mebibyte;

/** @typedef {{ url: string, bareUrl: string, total: number, unit: number, size: number, windowBytes?: number, retainBytes?: number }} Target */

/**
 * Times a transfer after one of half its size: what V8 compiles meanwhile, and how its heap grows, is no part of what a
 * service pays that goes on for long.
 *
 * @param {Pick<Target, 'total' | 'unit'>} target
 * @param {(bytes: number) => Promise<void>} transfer
 */
async function warm({ total, unit }, transfer) {
  await transfer(total / 2);
  return perSecond(total / unit, () => transfer(total));
}

/** Reads what a bare server sends, and leaves it as it is. @param {Target} target */
function bare(target) {
  const { bareUrl, size } = target;
  return warm(target, async (total) => {
    const socket = new WebSocket(bareUrl, { perMessageDeflate: false });
    let bytes = 0;
    socket.on('message', (/** @type {Buffer} */ data) => {
      bytes += data.length;
    });
    await once(socket, 'open');
    socket.send(`send ${total} ${size}`);
    await once(socket, 'close');
    if (bytes !== total) throw new Error(`${bytes} of ${total} bytes came`);
  });
}

/** @param {any} sandbox @param {string[]} command @param {object} [options] */
async function bytesOf(sandbox, command, options) {
  let bytes = 0;
  await sandbox.exec(command, options).events$.forEach((/** @type {any} */ event) => {
    if (event.type !== 'exit') bytes += event.data.length;
  });
  return bytes;
}

/**
 * Reads as many runs' events at a time with one of our clients, on one connection.
 *
 * @param {(options: { url: string, windowBytes?: number }) => any} connect
 */
function events(connect, runs = 1) {
  return async (/** @type {Target} */ target) => {
    const { url, size, windowBytes, retainBytes } = target;
    const backend = connect({ url, ...(windowBytes !== undefined && { windowBytes }) });
    const sandbox = await new SandboxClient(backend).create();
    const options = retainBytes === undefined ? {} : { retainBytes };
    const sample = await warm(target, async (total) => {
      const each = total / runs;
      const command = ['zeros', String(each), String(Math.min(size, each))];
      const got = await Promise.all(
        Array.from({ length: runs }, () => bytesOf(sandbox, command, options)),
      );
      const bytes = got.reduce((sum, one) => sum + one, 0);
      if (bytes !== total) throw new Error(`${bytes} of ${total} bytes came`);
    });
    await sandbox.delete();
    backend.close();
    return sample;
  };
}

/** Sends input to a bare server, in frames, no faster than it takes them. @param {Target} target */
function bareInput(target) {
  const { bareUrl, size } = target;
  return warm(target, async (total) => {
    const socket = new WebSocket(bareUrl, { perMessageDeflate: false });
    await once(socket, 'open');
    socket.send(`take ${total}`);
    const data = Buffer.alloc(size);
    let left = total;
    const sendOne = () => {
      while (left > 0) {
        left -= size;
        if (socket.bufferedAmount > mebibyte) {
          socket.send(data, sendOne);
          return;
        }
        socket.send(data);
      }
    };
    sendOne();
    await once(socket, 'close');
  });
}

/** Sends input to a run that counts it. @param {Target} target */
async function input(target) {
  const { url, size } = target;
  const backend = websocketBackend({ url });
  const sandbox = await new SandboxClient(backend).create();
  const data = Buffer.alloc(size);
  function* pieces(/** @type {number} */ total) {
    for (let left = total; left > 0; left -= size) yield data;
  }
  const sample = await warm(target, async (total) => {
    const { stdout } = await sandbox.exec(['count'], { stdin: pieces(total) });
    if (stdout !== String(total)) throw new Error(`${stdout} of ${total} bytes came`);
  });
  await sandbox.delete();
  backend.close();
  return sample;
}

/**
 * Runs that end at once: how long one takes, and how many a second there are.
 *
 * @param {(options: { url: string }) => any} connect
 */
function shortRuns(connect) {
  return async (/** @type {{ url: string, atATime: number }} */ { url, atATime }) => {
    const count = (quick ? 200 : 2000) * (atATime > 1 ? 4 : 1);
    const backend = connect({ url });
    const sandbox = await new SandboxClient(backend).create();
    await timed(sandbox, count / 2, atATime);
    const begun = performance.now();
    const taken = await timed(sandbox, count, atATime);
    const seconds = (performance.now() - begun) / 1000;
    await sandbox.delete();
    backend.close();
    return { value: count / seconds, 'p50 ms': median(taken), 'p99 ms': quantile(taken, 0.99) };
  };
}

/** How long each run took, in milliseconds. @param {any} sandbox @param {number} count @param {number} atATime */
async function timed(sandbox, count, atATime) {
  /** @type {number[]} */
  const taken = [];
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const begun = performance.now();
      await sandbox.exec(['true']).wait();
      taken.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: atATime }, one));
  return taken;
}

const tunnel = `${ours} events$`;
const short = `${ours} runs`;
const overGrpc = `${ours} runs over gRPC`;
const many = `${ours}, 256 runs`;

export const variants = {
  ws: bare,
  [tunnel]: events(websocketBackend),
  [many]: events(websocketBackend, 256),
  [`${ours} over gRPC`]: events(grpcBackend),
  'ws up': bareInput,
  [`${ours} stdin`]: input,
  [overGrpc]: shortRuns(grpcBackend),
  [short]: shortRuns(websocketBackend),
};

/**
 * @param {{ measure: string, unit: string, target: string, rounds: number, reference: string }} about
 * @param {{ variants: string[], parameters: Omit<Target, 'url' | 'bareUrl'>, roundTripMs?: number }} how
 */
async function compared(about, { variants: names, parameters, roundTripMs }) {
  const host = await start('programs');
  const server = await start('ws');
  const proxy = roundTripMs === undefined ? undefined : await distant(host.url, roundTripMs / 2);
  const measured = await alternate({
    ...{ ...about, better: 'higher', warmUp: false },
    variants: inChildren(import.meta.url, names, {
      ...{ ...parameters, url: proxy?.url ?? host.url, bareUrl: server.url },
    }),
  });
  proxy?.stop();
  host.stop();
  server.stop();
  return measured;
}

/** @param {number} size */
function throughput(size) {
  return compared(
    {
      measure: `${totalBytes / mebibyte} MiB of a run, written in ${size / 1024} KiB`,
      ...{ unit: 'MiB/s', reference: 'ws', rounds: quick ? 1 : 7 },
      target: 'at least 0.85 of ws, and 3.5 times our gRPC',
    },
    {
      variants: ['ws', tunnel, `${ours} over gRPC`],
      parameters: { total: totalBytes, unit: mebibyte, size },
    },
  );
}

function manyRuns() {
  // Long enough that how 256 runs begin does not count.
  const total = 4 * totalBytes;
  return compared(
    {
      measure: `${total / mebibyte} MiB of one run, and of 256 together`,
      ...{ unit: 'MiB/s', reference: tunnel, rounds: quick ? 1 : 5 },
      target: 'at least 0.9 of one run',
    },
    {
      variants: [tunnel, many],
      // By default 256 runs of 16 MiB would be kept whole, and one of 4 GiB would not.
      parameters: { total, unit: mebibyte, size: frame, retainBytes: 0 },
    },
  );
}

function smallMessages() {
  const count = quick ? 20_000 : 500_000;
  return compared(
    {
      measure: `${count} messages of 64 bytes`,
      ...{ unit: 'messages/s', reference: 'ws', rounds: quick ? 1 : 5 },
      target: 'at least 2.5 times ws',
    },
    {
      variants: ['ws', tunnel],
      parameters: { total: count * 64, unit: 64, size: 64 },
    },
  );
}

function upwards() {
  return compared(
    {
      measure: `${totalBytes / mebibyte} MiB of input in 64 KiB`,
      ...{ unit: 'MiB/s', reference: 'ws up', rounds: quick ? 1 : 5 },
      target: 'at least 0.8 of ws',
    },
    {
      variants: ['ws up', `${ours} stdin`],
      parameters: { total: totalBytes, unit: mebibyte, size: frame },
    },
  );
}

/** One run through a proxy that adds 50 ms, with credits that adapt and with as few as gRPC has by default. */
async function farAway() {
  // Each long enough that how it begins does not count.
  const [few, many] = quick ? [1, 8] : [8, 256];
  const host = await start('programs');
  const proxy = await distant(host.url, 25);
  const parameters = { url: proxy.url, total: many * mebibyte, unit: mebibyte, size: frame };
  const bounded = { ...parameters, windowBytes: 65_536, total: few * mebibyte };
  const measured = await alternate({
    measure: 'one run over a round trip of 50 ms',
    ...{ unit: 'MiB/s', better: 'higher', warmUp: false, rounds: quick ? 1 : 3 },
    reference: '64 KiB of credit',
    target: '30 times 64 KiB of credit',
    variants: {
      ...renamed('64 KiB of credit', inChildren(import.meta.url, [tunnel], bounded)),
      ...inChildren(import.meta.url, [tunnel], parameters),
    },
  });
  proxy.stop();
  host.stop();
  return measured;
}

/** @template T @param {string} name @param {Record<string, T>} variants @returns {Record<string, T>} */
function renamed(name, variants) {
  return Object.fromEntries(Object.values(variants).map((variant) => [name, variant]));
}

/** Runs that end at once. Each client has a host of its own: what one leaves to be collected costs the other nothing. */
async function openings() {
  const names = [overGrpc, short];
  const hosts = await Promise.all(names.map(() => start('programs')));
  const measures = [];
  for (const atATime of [1, 64]) {
    const turns = names.map((name, at) => {
      const { url } = hosts[at] ?? {};
      return inChildren(import.meta.url, [name], { url, atATime });
    });
    measures.push(
      await alternate({
        measure: `runs that end at once, ${atATime} at a time`,
        ...{ unit: '/s', better: 'higher', reference: overGrpc },
        target: `at least ${atATime === 1 ? 4 : 8} times our gRPC`,
        rounds: quick ? 1 : 5,
        variants: Object.assign({}, ...turns),
      }),
    );
  }
  for (const host of hosts) host.stop();
  return measures;
}

export async function run() {
  return [
    await throughput(frame),
    await throughput(4 * frame),
    await manyRuns(),
    await smallMessages(),
    await upwards(),
    await farAway(),
    ...(await openings()),
  ];
}
