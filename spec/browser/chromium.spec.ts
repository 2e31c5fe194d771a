import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { root } from '../support/repository.js';
import type { Scenario } from './page.js';

const executablePath = '/usr/bin/chromium';
const missing = `${executablePath} is missing: apt-get install chromium`;

async function bundle(entry: string): Promise<string> {
  const { outputFiles, warnings } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  return outputFiles[0]?.text ?? '';
}

describe('the bundle of sandbox-rx for a browser', () => {
  it('holds nothing of Node', async () => {
    const code = await bundle('lib/index.ts');
    expect(code).toContain('ERR_CONNECTION_LOST');
    // @bufbuild/protobuf looks whether there is an environment that forbids it BigInt.
    const own = code.replaceAll(/process\.env(?: != "object"|\.BUF_BIGINT_DISABLE)/g, '');
    expect(
      own.match(/node:[a-z_/]+|\bBuffer\b|\bprocess\.(?:env|nextTick)|\brequire\(/g),
    ).toBeNull();
  });

  it('cannot be made of the entry for Node', async () => {
    await expect(bundle('lib/node.ts')).rejects.toThrow('Could not resolve "node:');
  });
});

const inChromium =
  existsSync(executablePath) || process.env['CI'] === 'true' ? describe : describe.skip;

inChromium(existsSync(executablePath) ? 'in Chromium' : `in Chromium (${missing})`, () => {
  let server: Server | undefined;
  let browser: Browser | undefined;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    if (!existsSync(executablePath)) throw new Error(missing);
    const code = await bundle('spec/browser/page.ts');
    server = await serve({
      '/': [
        'text/html',
        '<!doctype html><title>sandbox-rx</title><script type="module" src="/page.js"></script>',
      ],
      '/page.js': ['text/javascript', code],
    });
    const { port } = server.address() as AddressInfo;
    browser = await chromium.launch({ executablePath, args: chromiumArguments, timeout: 0 });
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(`http://127.0.0.1:${port}/`);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const run = (scenario: Scenario): Promise<unknown> => page.evaluate(`scenarios.${scenario}()`);
  const text = 'zwölf Boxkämpfer 🥊 jagen\r\nEva €\nohne Ende';

  it('never breaks a character of stdout$', async () => {
    expect(await run('text')).toBe(text);
  });

  it('splits lines', async () => {
    expect(await run('lines')).toEqual(['zwölf Boxkämpfer 🥊 jagen', 'Eva €', 'ohne Ende']);
  });

  it('reads NDJSON', async () => {
    expect(await run('ndjson')).toEqual([{ n: 1 }, { n: 'ü' }]);
  });

  it('coalesces to at most one batch for each animation frame', async () => {
    const {
      frames = 0,
      chunks = 0,
      batches,
      lines,
    } = (await run('coalesce')) as Record<string, number>;
    expect(lines).toBe(chunks * 3);
    expect(batches).toBeGreaterThan(1);
    expect(batches).toBeLessThanOrEqual(Math.min(frames, chunks) + 1);
  });

  it('gives the result', async () => {
    const stdoutTotalBytes = new TextEncoder().encode(text).length;
    expect(await run('result')).toEqual({
      returncode: 0,
      stdout: text,
      stdoutTotalBytes,
      took: true,
    });
  });

  it('cancels by unsubscribing, once', async () => {
    expect(await run('cancel')).toEqual({
      cancelled: [true, false],
      torn: 1,
      seen: ['h', '|'],
      state: 'cancelled',
      code: 'ERR_CANCELLED',
    });
  });

  it('gives a Web stream that loses nothing to a slow reader', async () => {
    expect(await run('readableStream')).toBe(text);
  });

  it('fails with its own errors', async () => {
    expect(await run('errors')).toEqual({
      lost: 'ERR_CONNECTION_LOST',
      refused: 'ERR_VALIDATION',
      client: 'function',
    });
  });

  it('has had nothing to complain of', () => {
    expect(complaints).toEqual([]);
  });
});

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function serve(
  files: Readonly<Record<string, readonly [type: string, body: string]>>,
): Promise<Server> {
  const listening = createServer(({ url = '' }, response) => {
    const [type, body] = files[url] ?? ['text/plain', ''];
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  return new Promise((resolve) => {
    listening.listen(0, '127.0.0.1', () => {
      resolve(listening);
    });
  });
}
