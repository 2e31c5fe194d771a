// @ts-check
// The servers of the gRPC benchmarks, each in a process of its own.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { Host, localBackend, memoryBackend } from './library.js';
import { mebibyte } from './streams.js';

const frame = 65_536;

/** What a StreamExec answers, as bytes: `ready`, one output frame again and again, `exit` with 0. */
function framesOf(/** @type {number} */ bytes) {
  const length = (/** @type {number} */ value) => {
    const out = [];
    for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
    return [...out, value];
  };
  const data = Buffer.alloc(bytes);
  const output = Buffer.concat([Buffer.from([0x08, 1, 0x12, ...length(bytes)]), data]);
  return {
    ready: Buffer.from([0x0a, 0]),
    output: Buffer.concat([Buffer.from([0x12, ...length(output.length)]), output]),
    exit: Buffer.from([0x1a, 0]),
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

const kinds = {
  bare,
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
    /** Its resident set: now, and the most that it was, in MiB. */
    memory: async () => /** @type {{ now: number, peak: number }} */ (await ask('memory')),
    stop: () => {
      child.removeAllListeners('exit');
      child.kill();
    },
  };
}

async function serve(/** @type {keyof typeof kinds} */ kind, /** @type {any} */ parameters) {
  const { readFileSync } = await import('node:fs');
  const url = await kinds[kind](parameters);
  const status = (/** @type {string} */ name) =>
    Number(
      new RegExp(`${name}:\\s*(\\d+)`).exec(readFileSync('/proc/self/status', 'latin1'))?.[1],
    ) / 1024;
  process.on('message', (question) => {
    if (question === 'url') process.send?.(url);
    else process.send?.({ now: status('VmRSS'), peak: status('VmHWM') });
  });
  process.once('disconnect', () => process.exit());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, parameters = '{}'] = process.argv.slice(2);
  await serve(/** @type {keyof typeof kinds} */ (kind), JSON.parse(parameters));
}

export { frame, mebibyte };
