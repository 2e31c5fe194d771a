// @ts-check
// Who reads slowly, and many who read the same, over WebSockets: what the host and the client need for them.
import { setTimeout as sleep } from 'node:timers/promises';
import { alternate, inChildren, ours, quick } from './harness.js';
import { Sandbox, SandboxClient, websocketBackend } from './library.js';
import { frame, mebibyte, memory, start } from './servers.js';

/** @typedef {{ url: string, sandboxId: string, total: number }} SlowTarget */

/** @param {SlowTarget} target @param {number} bytes */
async function readSlowly({ url, sandboxId }, bytes) {
  const backend = websocketBackend({ url });
  const command = ['zeros', String(bytes), String(frame)];
  const process = new Sandbox(backend, sandboxId).exec(command, { encoding: 'buffer' });
  let got = 0;
  for await (const chunk of process.stdout) {
    got += chunk.length;
    await sleep(1);
  }
  backend.close();
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes came`);
}

export const variants = {
  [`${ours} client`]: async (/** @type {SlowTarget} */ target) => {
    await readSlowly(target, mebibyte);
    const { now } = memory();
    await readSlowly(target, target.total);
    return { value: memory().peak - now, idle: now };
  },
};

async function slowReader() {
  const total = (quick ? 32 : 256) * mebibyte;
  const host = await start('programs');
  const backend = websocketBackend({ url: host.url });
  const { id: sandboxId } = await new SandboxClient(backend).create();
  const { now } = await host.memory();
  const measured = await alternate({
    measure: `peak memory above idle, ${total / mebibyte} MiB to a reader who takes 1 ms a chunk`,
    ...{ unit: 'MiB', better: 'lower', reference: `${ours} client`, warmUp: false },
    target: 'at most 16 MiB each',
    rounds: quick ? 1 : 3,
    variants: {
      ...inChildren(import.meta.url, Object.keys(variants), { url: host.url, sandboxId, total }),
      // All its turns so far.
      [`${ours} host`]: async () => ({ value: (await host.memory()).peak - now, idle: now }),
    },
  });
  backend.close();
  host.stop();
  return measured;
}

/** One run, and as many who watch it, each over a WebSocket of its own. */
async function watched(/** @type {number} */ viewers, /** @type {number} */ total) {
  const host = await start('programs');
  const backend = websocketBackend({ url: host.url });
  const sandbox = await new SandboxClient(backend).create();
  const command = ['later', String(total), String(frame)];
  const run = sandbox.exec(command, { stdin: true, onDisconnect: 'detach', id: 'watched' });
  const backends = Array.from({ length: viewers }, () => websocketBackend({ url: host.url }));
  let ready = 0;
  const all = backends.map(async (one) => {
    const attached = new Sandbox(one, sandbox.id).attach('watched', { retainBytes: frame });
    let bytes = 0;
    attached.state$.subscribe(
      (/** @type {string} */ state) => (ready += state === 'running' ? 1 : 0),
    );
    await attached.events$.forEach((/** @type {any} */ event) => {
      if (event.type !== 'exit') bytes += event.data.length;
    });
    if (bytes !== total) throw new Error(`${bytes} of ${total} bytes came`);
  });
  while (ready < viewers) await sleep(10);
  const before = await host.memory();
  run.stdin.write('go');
  await Promise.all(all);
  const after = await host.memory();
  for (const one of [...backends, backend]) one.close();
  host.stop();
  const share = (viewers * total) / mebibyte;
  return {
    value: (after.cpuMs - before.cpuMs) / share,
    'host KiB each, idle': (before.now * 1024) / viewers,
    'host MiB, peak above idle': after.peak - before.now,
  };
}

async function manyViewers() {
  const count = quick ? 50 : 1000;
  const total = (quick ? 1 : 4) * mebibyte;
  const name = `${ours}, ${count} viewers`;
  return alternate({
    measure: `one run of ${total / mebibyte} MiB, watched over WebSockets: the host's processor`,
    ...{ unit: 'ms a viewer and MiB', better: 'lower', reference: `${ours}, one viewer` },
    ...{ rounds: quick ? 1 : 3, warmUp: false },
    variants: {
      [`${ours}, one viewer`]: () => watched(1, 16 * total),
      [name]: () => watched(count, total),
    },
  });
}

export async function run() {
  return [await slowReader(), await manyViewers()];
}
