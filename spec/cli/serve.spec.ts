import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { processesWith, uniqueSeconds } from '../backends/local/host.js';
import { makeCertificates } from '../host/certificates.js';
import { Harness } from '../host/harness.js';
import { isolationForTests } from '../support/isolation.js';
import { webSocketTo } from '../host/tunnel-client.js';
import { ended, start } from './program.js';
import { startServing, type Served } from './serving.js';

const isolation = isolationForTests();

const harness = new Harness();
afterEach(() => harness.close());

/** Starts `sandbox-rx serve` on a free port, until the test is over. */
function serve(
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Served {
  const served = startServing(isolation, options, env);
  harness.closing(() => served.kill());
  return served;
}

describe('sandbox-rx serve', () => {
  it('knows its sandboxes again where it has a place to write them down', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sandbox-rx-serve-'));
    harness.closing(() => {
      rmSync(directory, { recursive: true });
    });
    const first = serve(['--data', directory]);
    await harness.client({ url: await first.line }).create({ id: 'one' });
    first.child.kill('SIGKILL');
    await first.ended;
    const client = harness.client({ url: await serve(['--data', directory]).line });
    expect((await client.list()).map(({ id, status }) => [id, status])).toEqual([
      ['one', 'stopped'],
    ]);
  });

  it('keeps as much of a main command as it is told', async () => {
    const { line } = serve(['--log-bytes', '1024']);
    const command = ['head', '-c', '200000', '/dev/zero'];
    const sandbox = await harness.client({ url: await line }).create({ command });
    await sandbox.wait();
    const { offset } = await firstValueFrom(sandbox.logs$());
    expect(offset).toBeGreaterThan(0);
  });

  it('has the published ports of sandboxes at the address that it is told', async () => {
    const { line } = serve(['--service-address', '127.0.0.2']);
    const sandbox = await harness
      .client({ url: await line })
      .create({ services: [{ port: 8080 }] });
    const url: unknown = expect.stringMatching(/^http:\/\/127\.0\.0\.2:\d+$/);
    expect(await sandbox.status()).toMatchObject({ services: [{ port: 8080, url }] });
  });

  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sandbox-rx-serve-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('prints where it listens, serves, and ends in good order', async () => {
    const { child, line, logged, ended } = serve();
    const url = await line;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const sandbox = await harness.client({ url }).create();
    const running = sandbox.exec(['sh', '-c', 'echo ready; read line; echo "got $line"'], {
      stdin: true,
    });
    await firstValueFrom(running.stdout$);
    child.kill('SIGTERM');
    await logged('draining');
    running.stdin?.writeline('it');
    expect((await running).stdout).toBe('ready\ngot it\n');
    const { code, log } = await ended;
    expect(code).toBe(0);
    const messages = log
      .trim()
      .split('\n')
      .map((text) => (JSON.parse(text) as { msg: string }).msg);
    expect(messages).toEqual(
      expect.arrayContaining(['starting', 'listening', 'sandbox created', 'draining', 'closed']),
    );
  });

  it('ends at once at the second signal, and leaves no process', async () => {
    const { child, line, logged, ended } = serve(['--grace', '1h']);
    const sandbox = await harness.client({ url: await line }).create();
    const seconds = uniqueSeconds();
    const run = sandbox.exec(['sh', '-c', `echo ready; exec sleep ${seconds}`]);
    await firstValueFrom(run.stdout$);
    child.kill('SIGTERM');
    await logged('draining');
    child.kill('SIGTERM');
    await expect(run).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
    expect((await ended).code).toBe(0);
    expect(processesWith(seconds)).toEqual([]);
  });

  it('takes tokens of a file, or of the environment, and keeps them to itself', async () => {
    const file = join(folder, 'tokens');
    writeFileSync(file, '# people\nada:token-of-ada\n');
    for (const [options, env] of [
      [['--token-file', file], {}],
      [[], { SANDBOX_RX_TOKENS: 'ada:token-of-ada\ngrace:token-of-grace' }],
    ] as const) {
      const { child, line, ended } = serve(options, env);
      const url = await line;
      await expect(harness.client({ url }).create()).rejects.toMatchObject({
        code: 'ERR_PERMISSION',
      });
      const sandbox = await harness.client({ url, token: 'token-of-ada' }).create();
      expect((await sandbox.exec(['env'])).stdout).not.toContain('token-of');
      child.kill('SIGTERM');
      expect((await ended).log).not.toContain('token-of');
    }
  });

  it('speaks TLS, and prints JSON with the metrics', async () => {
    const { server, client, authority } = makeCertificates();
    const files = { cert: server.certificate, key: server.key, ca: authority };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const { line } = serve([
      ...['--tls-cert', join(folder, 'cert'), '--tls-key', join(folder, 'key')],
      ...['--client-ca', join(folder, 'ca'), '--metrics-port', '0', '--json'],
    ]);
    const { url, tunnelUrl, metricsUrl } = JSON.parse(await line) as Record<
      'url' | 'tunnelUrl' | 'metricsUrl',
      string
    >;
    expect(tunnelUrl).toBe(`${url.replace('http', 'ws')}/v1/tunnel`);
    const { certificate: clientCertificate, key: clientKey } = client;
    const tls = { rootCertificates: authority, clientCertificate, clientKey };
    await harness.client({ url, tls }).create();
    const metrics = await (await fetch(`${metricsUrl}/metrics`)).text();
    expect(metrics).toContain('sandboxrx_sandboxes_created_total 1\n');
  });

  it('lets pages of the origins that it is told open tunnels, and tells metrics where it is told to', async () => {
    const origins = ['https://a.example', 'http://b.example:4200'];
    const { line } = serve(['--origin', ...origins, '--serve-metrics', '--max-tunnels', '2']);
    const url = await line;
    const tunnelUrl = `${url.replace('http', 'ws')}/v1/tunnel`;
    for (const origin of origins) {
      const webSocket = await webSocketTo(tunnelUrl, { origin });
      harness.closing(() => {
        webSocket.terminate();
      });
    }
    const other = webSocketTo(tunnelUrl, { origin: 'https://c.example' });
    await expect(other).rejects.toMatchObject({ status: 403 });
    await expect(webSocketTo(tunnelUrl)).rejects.toMatchObject({ status: 503 });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('sandboxrx_tunnels 2\n');
  });

  it('keeps to its limits', async () => {
    const { line } = serve(['--max-sandboxes', '1']);
    const client = harness.client({ url: await line });
    await client.create();
    await expect(client.create()).rejects.toMatchObject({ code: 'ERR_RESOURCE_EXHAUSTED' });
  });

  it.each([
    ['an address that others reach', ['--address', '0.0.0.0'], /no tokens and tls: .*--insecure/],
    ['a key without its certificate', ['--tls-key', '/dev/null'], /--tls-cert and --tls-key/],
    ['a file of tokens without one', ['--token-file', '/dev/null'], /has no token/],
    ['a file that is not there', ['--token-file', '/absent'], /ENOENT/],
    ['a number that is none', ['--max-runs', 'many'], /whole number/],
    ['a limit of nothing', ['--max-runs', '0'], /limits\.maxRuns must be/],
  ])('refuses %s', async (_what, options, text) => {
    const { code, log } = await serve(options).ended;
    expect(code).toBe(125);
    expect(log).toMatch(text);
  });

  it.each([
    ['--url', 'http://x'],
    ['--backend', 'grpc'],
    ['--ca', 'ca.pem'],
    ['--cert', 'cert.pem'],
    ['--key', 'key.pem'],
  ])('refuses what is for who uses a server: %s', async (name, value) => {
    const child = start(name, value, 'serve', '--port', '0');
    harness.closing(() => child.kill('SIGKILL'));
    const { code, stdout, stderr } = await ended(child);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^error: ${name} says how .+ leave it out; .+--tls-cert`));
  });

  it('says that its port is taken', async () => {
    const url = await serve().line;
    const { code, log } = await serve(['--port', new URL(url).port]).ended;
    expect(code).toBe(125);
    expect(log).toMatch(/^sandbox-rx: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/m);
  });
});
