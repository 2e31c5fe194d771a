import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { root } from '../support/repository.js';

const executablePath = '/usr/bin/chromium';
const missing = `${executablePath} is missing: apt-get install chromium`;

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A file and what it imports, as a module for a browser. */
export async function bundle(entry: string): Promise<string> {
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

/** Tests that want Chromium; without it they are skipped, but not where all have to be run. */
export function describeInChromium(name: string, body: () => void): void {
  const inChromium =
    existsSync(executablePath) || process.env['CI'] === 'true' ? describe : describe.skip;
  inChromium(existsSync(executablePath) ? name : `${name} (${missing})`, body);
}

/** A page in Chromium that runs a module of ours. */
export class BrowserPage {
  readonly page: Page;
  /** As the page's requests say it. */
  readonly origin: string;
  /** What the page has complained of. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #server: Server;

  private constructor(browser: Browser, server: Server, page: Page) {
    this.#browser = browser;
    this.#server = server;
    this.page = page;
    this.origin = originOf(server);
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => this.complaints.push(message.text()));
  }

  static async of(entry: string): Promise<BrowserPage> {
    if (!existsSync(executablePath)) throw new Error(missing);
    const code = await bundle(entry);
    const server = await serve({
      '/': [
        'text/html',
        '<!doctype html><title>sandbox-rx</title><script type="module" src="/page.js"></script>',
      ],
      '/page.js': ['text/javascript', code],
    });
    const browser = await chromium.launch({ executablePath, args: chromiumArguments, timeout: 0 });
    const opened = new BrowserPage(browser, server, await browser.newPage());
    await opened.page.goto(`${opened.origin}/`);
    return opened;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }
}

function originOf(server: Server): string {
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

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
