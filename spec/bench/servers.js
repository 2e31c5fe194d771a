// @ts-check
// The servers of the gRPC benchmarks, each in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { concatMap, map, reduce, take } from 'rxjs';
import { WebSocketServer } from 'ws';
import { exit, Host, localBackend, memoryBackend, out } from './library.js';
import { mebibyte } from './streams.js';

const frame = 65_536;

/** @param {number} value */
function varint(value) {
  const out = [];
  for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
  return [...out, value];
}

/** A field with a length: its number and wire type, the length, the bytes. */
function field(/** @type {number} */ number, /** @type {Buffer} */ bytes) {
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);
}

/**
 * The message that begins a StreamExec.
 *
 * @param {string} sandboxId
 * @param {readonly string[]} command
 */
export function initMessage(sandboxId, command) {
  const words = command.map((word) => field(2, Buffer.from(word)));
  return field(1, Buffer.concat([field(1, Buffer.from(sandboxId)), ...words]));
}

/** What a StreamExec answers, as bytes: `ready`, one output frame again and again, `exit` with 0. */
function framesOf(/** @type {number} */ bytes) {
  const data = Buffer.alloc(bytes);
  const output = Buffer.concat([Buffer.from([0x08, 1]), field(2, data)]);
  return {
    ready: field(1, Buffer.alloc(0)),
    output: field(2, output),
    exit: field(3, Buffer.alloc(0)),
  };
}

const raw = (/** @type {Buffer} */ bytes) => bytes;
const rawMethod = {
  ...{ requestStream: true, responseStream: true },
  ...{ requestSerialize: raw, requestDeserialize: raw },
  ...{ responseSerialize: raw, responseDeserialize: raw },
};

/** The method that all of them answer. */
export const streamExec = {
  path: '/coreweave.sandbox.v1.SandboxService/StreamExec',
  ...rawMethod,
};

/** A server that does nothing but send frames: `total` bytes in pieces of `size`. */
async function bare(/** @type {{ total: number, size: number, window?: number }} */ parameters) {
  const { total, size, window = 65_535 } = parameters;
  const { ready, output, exit } = framesOf(size);
  const server = new grpc.Server({ 'grpc-node.flow_control_window': window });
  const answer = (/** @type {any} */ call) => {
    let left = Math.ceil(total / size);
    const pump = () => {
      while (left > 0) {
        left--;
        if (!call.write(output)) {
          call.once('drain', pump);
          return;
        }
      }
      call.write(exit);
      call.end();
    };
    call.on('error', () => undefined);
    call.on('data', () => undefined);
    call.write(ready);
    pump();
  };
  server.addService({ streamExec }, { streamExec: answer });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(`http://127.0.0.1:${port}`);
    });
  });
}

/** A WebSocket that sends, or takes, as it is told by the first message, and then closes. */
async function bareWebSocket() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.once('message', (asked) => {
      const [what, total, size] = String(asked).split(' ');
      if (what === 'send')
        sendFrames(socket, { left: Number(total), data: Buffer.alloc(Number(size)) });
      else takeBytes(socket, Number(total));
    });
  });
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return `ws://127.0.0.1:${port}`;
}

/**
 * No faster than the other side takes them.
 *
 * @param {import('ws').WebSocket} socket
 * @param {{ left: number, data: Buffer }} frames
 */
function sendFrames(socket, frames) {
  const { data } = frames;
  while (frames.left > 0) {
    frames.left -= data.length;
    if (socket.bufferedAmount > mebibyte) {
      socket.send(data, () => sendFrames(socket, frames));
      return;
    }
    socket.send(data);
  }
  socket.close();
}

function takeBytes(/** @type {import('ws').WebSocket} */ socket, /** @type {number} */ left) {
  socket.on('message', (/** @type {Buffer} */ data) => {
    left -= data.length;
    if (left <= 0) socket.close();
  });
}

/**
 * What all runs write, by its size: what memory costs that is in no cache is then the same for one run and for many.
 *
 * @type {Map<number, import('../../lib/testing.js').ProgramStep>}
 */
const blocks = new Map();

/** Writes so many bytes in pieces of a size. */
function* zeros(/** @type {{ command: readonly string[] }} */ { command: [, total, size] }) {
  const step = blocks.get(Number(size)) ?? out(Buffer.alloc(Number(size)));
  blocks.set(Number(size), step);
  for (let left = Number(total); left > 0; left -= Number(size)) yield step;
}

/** The same, once it is told to. */
function later(/** @type {any} */ context) {
  return context.stdin$.pipe(
    take(1),
    concatMap(() => zeros(context)),
  );
}

/** Writes how many bytes of input came. */
function count(/** @type {{ stdin$: import('rxjs').Observable<Uint8Array> }} */ { stdin$ }) {
  return stdin$.pipe(
    reduce((sum, data) => sum + data.length, 0),
    map((sum) => out(String(sum))),
  );
}

const kinds = {
  bare,
  ws: bareWebSocket,
  programs: (/** @type {import('../../lib/host.js').HostOptions} */ options) =>
    new Host(
      memoryBackend({ programs: { zeros, count, later, true: [exit(0)] } }),
      options,
    ).listen(),
  local: (/** @type {import('../../lib/host.js').HostOptions} */ options) =>
    new Host(localBackend({ isolation: 'none' }), options).listen(),
  /** Runs write nothing until they are ended. */
  memory: async () => {
    const { NEVER } = await import('rxjs');
    return new Host(memoryBackend({ programs: { sleep: () => NEVER } })).listen();
  },
};

/**
 * Starts a server.
 *
 * @param {keyof typeof kinds} kind
 * @param {object} [parameters]
 */
export async function start(kind, parameters = {}) {
  const child = fork(fileURLToPath(import.meta.url), [kind, JSON.stringify(parameters)]);
  /** @type {(message: unknown) => void} */
  let answered = () => undefined;
  child.on('message', (message) => answered(message));
  const ask = (/** @type {string} */ question) =>
    new Promise((resolve, reject) => {
      answered = resolve;
      child.once('exit', () => reject(new Error(`the ${kind} server ended`)));
      child.send(question);
    });
  const url = String(await ask('url'));
  return {
    url,
    /** Its resident set: now, and the most that it was, in MiB; and the processor's time that it took, in ms. */
    memory: async () =>
      /** @type {{ now: number, peak: number, cpuMs: number }} */ (await ask('memory')),
    stop: () => {
      child.removeAllListeners('exit');
      child.kill();
    },
  };
}

/** A proxy that holds back what it forwards for `delayMs` each way. */
export async function distant(/** @type {string} */ url, /** @type {number} */ delayMs) {
  const { hostname, port } = new URL(url);
  const forward = (
    /** @type {import('node:net').Socket} */ from,
    /** @type {import('node:net').Socket} */ to,
  ) => {
    from.on('data', (data) => setTimeout(() => to.write(data), delayMs));
    from.on('close', () => setTimeout(() => to.destroy(), delayMs));
    from.on('error', () => undefined);
  };
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    near.setNoDelay();
    far.setNoDelay();
    forward(near, far);
    forward(far, near);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${address.port}`, stop: () => server.close() };
}

/** The resident set of this process: now, and the most that it was, in MiB; and its processor's time, in ms. */
export function memory() {
  const status = readFileSync('/proc/self/status', 'latin1');
  const field = (/** @type {string} */ name) =>
    Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1]) / 1024;
  const { user, system } = process.cpuUsage();
  return { now: field('VmRSS'), peak: field('VmHWM'), cpuMs: (user + system) / 1000 };
}

async function serve(/** @type {keyof typeof kinds} */ kind, /** @type {any} */ parameters) {
  const url = await kinds[kind](parameters);
  process.on('message', (question) => {
    if (question === 'url') process.send?.(url);
    else process.send?.(memory());
  });
  process.once('disconnect', () => process.exit());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, parameters = '{}'] = process.argv.slice(2);
  await serve(/** @type {keyof typeof kinds} */ (kind), JSON.parse(parameters));
}

export { frame, mebibyte };
