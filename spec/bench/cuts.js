// @ts-check
// npm run build && node spec/bench/cuts.js [CUTS] [RUNS]: runs that stream checksummed data both ways over one WebSocket,
// files that are copied and logs that are followed, while a proxy cuts it at any byte. No benchmark: it says what was lost,
// which has to be nothing, and the memory it took.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Host, localBackend, SandboxClient, websocketBackend } from './library.js';

const [cuts = 1000, count = 64] = process.argv.slice(2).map(Number);
/** From then on it cuts: what the host keeps of each run for those who attach (1 MiB) is full, and memory is to stay flat. */
const fullBytes = count * 4_000_000;
const isDone = () => cutter.cuts >= cuts;

/** A proxy that resets its connections after so many more bytes, in any direction. */
class Cutter {
  cuts = 0;
  bytes = 0;
  #left = 0;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();

  constructor(/** @type {number} */ port) {
    this.port = port;
    this.server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
      this.#forward(near, far);
      this.#forward(far, near);
    });
    this.#aim();
  }

  #aim() {
    this.#left = Math.ceil(Math.random() ** 3 * 4_000_000);
  }

  /** @param {import('node:net').Socket} from @param {import('node:net').Socket} to */
  #forward(from, to) {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    to.on('drain', () => from.resume());
    from.on('data', (data) => {
      if (to.destroyed) return;
      this.bytes += data.length;
      const isDue = this.bytes > fullBytes && this.cuts < cuts;
      const isCut = isDue && data.length >= this.#left;
      if (!to.write(isCut ? data.subarray(0, this.#left) : data)) from.pause();
      if (isDue) this.#left -= data.length;
      if (!isCut) return;
      this.cuts += 1;
      this.#aim();
      // Node does not close a socket that is reset while it ends.
      for (const socket of this.#sockets)
        if (socket.writableEnded) socket.destroy();
        else socket.resetAndDestroy();
    });
  }
}

/** A run whose output is its input; gives how many bytes went there and back. */
async function echoed(/** @type {any} */ sandbox) {
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  let bytes = 0;
  function* input() {
    do {
      const piece = randomBytes(1 + Math.floor(Math.random() * 60_000));
      bytes += piece.length;
      sent.update(piece);
      yield piece;
    } while (!isDone());
  }
  const run = sandbox.exec(['sh', '-c', 'cat; exit 7'], { stdin: input(), retainBytes: 0 });
  await run.events$.forEach((/** @type {any} */ event) => {
    if (event.type === 'stdout') received.update(event.data);
  });
  if ((await run.wait()) !== 7) throw new Error(`exit status ${run.returncode}`);
  if (sent.digest('hex') !== received.digest('hex')) throw new Error('not what was sent');
  return bytes;
}

/** A file that is written and read, again and again; gives how many bytes went there and back. */
async function copied(/** @type {any} */ sandbox, /** @type {string} */ path) {
  let bytes = 0;
  do {
    const content = randomBytes(1 + Math.floor(Math.random() * 50_000));
    await sandbox.files.write(path, content);
    if (Buffer.compare(await sandbox.files.read(path), content) !== 0)
      throw new Error('not what was written');
    bytes += content.length;
  } while (!isDone());
  return bytes;
}

/** The log of a main command that counts until it is told to stop; gives how many bytes there were. */
async function followed(/** @type {any} */ client) {
  const script = 'until [ -e stop ]; do n=$((n+1)); echo $n; sleep 0.01; done';
  const sandbox = await client.create({ command: ['sh', '-c', script] });
  let [text, next] = ['', 1];
  let bytes = 0;
  const reading = sandbox.logs$({ follow: true }).forEach((/** @type {any} */ { data }) => {
    bytes += data.length;
    const lines = (text + Buffer.from(data).toString()).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines)
      if (Number(line) !== next++) throw new Error(`line ${line}, not ${next - 1}`);
  });
  const stopping = untilDone().then(() => sandbox.files.write('stop', ''));
  await Promise.all([reading, stopping]);
  return bytes;
}

async function untilDone() {
  while (!isDone()) await sleep(100);
}

const host = new Host(localBackend({ isolation: 'none' }));
const cutter = new Cutter(Number(new URL(await host.listen()).port));
cutter.server.listen(0, '127.0.0.1');
await once(cutter.server, 'listening');
const address = cutter.server.address();
const port = typeof address === 'object' ? address?.port : 0;
const backend = websocketBackend({ url: `ws://127.0.0.1:${port}` });
const client = new SandboxClient(backend);
const sandbox = await client.create();

const began = Date.now();
/** The most memory in each fifth of the cuts: of the client, the host and the proxy together. */
const peaks = [0, 0, 0, 0, 0];
let reconnecting = 0;
backend.connection$.subscribe((/** @type {any} */ status) => {
  if (status.state === 'connected') reconnecting += 1;
});
const watch = setInterval(() => {
  if (cutter.cuts === 0) return;
  const fifth = Math.min(4, Math.floor((cutter.cuts / cuts) * 5));
  peaks[fifth] = Math.max(peaks[fifth] ?? 0, Math.round(process.memoryUsage().rss / 2 ** 20));
  if (process.stdout.isTTY) process.stdout.write(`\r${cutter.cuts} cuts`);
}, 200);
const work = [
  ...Array.from({ length: count }, () => echoed(sandbox)),
  ...['one', 'two'].map((path) => copied(sandbox, path)),
  ...[followed(client), followed(client)],
];
const ends = await Promise.allSettled(work);
clearInterval(watch);
const failed = ends.filter(({ status }) => status === 'rejected');
const bytes = ends.reduce((sum, end) => sum + (end.status === 'fulfilled' ? end.value : 0), 0);
console.log(
  JSON.stringify({
    ...{ cuts: cutter.cuts, runs: count, copies: 2, logs: 2, failed: failed.length },
    seconds: Math.round((Date.now() - began) / 1000),
    mebibytesEachWay: Math.round(bytes / 2 ** 20),
    mebibytesOnTheWire: Math.round(cutter.bytes / 2 ** 20),
    connections: reconnecting,
    peakRssMiBOfEachFifth: peaks,
  }),
);
for (const end of failed) if (end.status === 'rejected') console.error(end.reason);
backend.close();
await host.close();
cutter.server.close();
process.exitCode = failed.length === 0 && cutter.cuts >= cuts ? 0 : 1;
