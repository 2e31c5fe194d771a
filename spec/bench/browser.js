// @ts-check
// A run's output received in Chromium: our tunnel against a bare WebSocket in the same page.
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { alternate, ours, quick } from './harness.js';
import { frame, mebibyte, start } from './servers.js';

const totalBytes = (quick ? 32 : 256) * mebibyte;

/** Runs in the page. */
const page = `
import { SandboxClient, websocketBackend } from 'sandbox-rx';

const timed = async (read) => {
  const begun = performance.now();
  const bytes = await read();
  return { bytes, ms: performance.now() - begun };
};

globalThis.receive = {
  bare: (url, total, size) => timed(() => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    let bytes = 0;
    socket.onopen = () => socket.send(\`send \${total} \${size}\`);
    socket.onmessage = ({ data }) => { bytes += data.byteLength; };
    socket.onclose = () => resolve(bytes);
  })),
  ours: async (url, total, size) => {
    const backend = websocketBackend({ url });
    const sandbox = await new SandboxClient(backend).create();
    const sample = await timed(async () => {
      let bytes = 0;
      await sandbox.exec(['zeros', String(total), String(size)]).events$.forEach((event) => {
        if (event.type !== 'exit') bytes += event.data.length;
      });
      return bytes;
    });
    await sandbox.delete();
    backend.close();
    return sample;
  },
};
`;

/** A page of its own origin, which a host has to be told. */
async function pageServer() {
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: import.meta.dirname },
    ...{ bundle: true, write: false, platform: 'browser', format: 'esm', target: 'es2022' },
  });
  const code = outputFiles[0]?.text ?? '';
  const server = createServer(({ url }, response) => {
    const isCode = url === '/page.js';
    response
      .writeHead(200, { 'content-type': isCode ? 'text/javascript' : 'text/html' })
      .end(isCode ? code : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { origin: `http://127.0.0.1:${address.port}`, stop: () => server.close() };
}

export async function run() {
  const pages = await pageServer();
  const host = await start('programs', { origins: [pages.origin] });
  const server = await start('ws');
  const browser = await chromium.launch({
    ...{ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] },
  });
  const opened = await browser.newPage();
  await opened.goto(pages.origin);
  await opened.waitForFunction('globalThis.receive !== undefined');
  const received = (/** @type {string} */ way, /** @type {string} */ url) => async () => {
    const call = `receive.${way}(${JSON.stringify(url)}, ${totalBytes}, ${frame})`;
    const { bytes, ms } = /** @type {{ bytes: number, ms: number }} */ (
      await opened.evaluate(call)
    );
    if (bytes !== totalBytes) throw new Error(`${bytes} of ${totalBytes} bytes came`);
    return { value: totalBytes / mebibyte / (ms / 1000) };
  };
  const measured = await alternate({
    measure: `${totalBytes / mebibyte} MiB received in Chromium, 64 KiB frames`,
    ...{ unit: 'MiB/s', better: 'higher', reference: 'WebSocket', rounds: quick ? 1 : 5 },
    target: 'at least 0.85 of the WebSocket',
    variants: {
      WebSocket: received('bare', server.url),
      [`${ours} events$`]: received('ours', host.url),
    },
  });
  await browser.close();
  for (const { stop } of [pages, host, server]) stop();
  return [measured];
}
