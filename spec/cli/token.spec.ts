import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScopedToken } from 'sandbox-rx/node';
import { Harness } from '../host/harness.js';
import { isolationForTests } from '../support/isolation.js';
import { ended, startWith } from './program.js';
import { startServing } from './serving.js';

const harness = new Harness();
afterEach(() => harness.close());

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandbox-rx-token-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Where a host listens that ada has a token of. */
async function served(...options: readonly string[]): Promise<string> {
  const env = { SANDBOX_RX_TOKENS: 'ada:token-of-ada' };
  const { line, kill } = startServing(isolationForTests(), options, env);
  harness.closing(kill);
  return await line;
}

/** Runs `sandbox-rx` to its end, with a token. */
function run(token: string, ...args: readonly string[]) {
  const child = startWith({ CWSANDBOX_API_KEY: token }, ...args);
  child.stdin?.end();
  return ended(child);
}

describe('sandbox-rx token', () => {
  it('prints a token for one sandbox, with which the other commands do what it is for', async () => {
    const url = await served();
    const ada = (...args: readonly string[]) => run('token-of-ada', '--url', url, ...args);
    for (const id of ['own', 'other']) await ada('create', '--id', id);
    const made = await ada('token', '--read-only', '--sandbox', 'own', '--ttl', '10m');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(/^srx1\.[\w.-]+\n$/);
    const bearer = (...args: readonly string[]) => run(made.stdout.trim(), '--url', url, ...args);
    expect(await bearer('ls', '-q')).toMatchObject({ code: 0, stdout: 'own\n' });
    expect(await bearer('get', 'own')).toMatchObject({ code: 0 });
    for (const refused of [
      ['get', 'other'],
      ['exec', 'own', 'true'],
      ['delete', 'own'],
      ['create'],
      ['token'],
    ]) {
      const { code, stdout, stderr } = await bearer(...refused);
      expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
      expect(stderr).toMatch(/does not permit it: \w+ is not for this token, which may look/);
    }
  });

  it('tells as JSON when it expires, and what its bearer is called', async () => {
    const url = await served();
    const before = Date.now();
    const { stdout } = await run('token-of-ada', 'token', '--url', url, '--ttl', '90s', '--json');
    const { token, name, expiresAtMs } = JSON.parse(stdout) as ScopedToken;
    expect(name).toMatch(/^ada\/\w+$/);
    expect(expiresAtMs).toBeGreaterThanOrEqual(before + 90_000);
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + 90_000);
    expect(await harness.client({ url, token }).list()).toEqual([]);
  });

  it('is good at every host with the same key, for as long as is allowed', async () => {
    const key = join(folder, 'key');
    writeFileSync(key, randomBytes(32));
    const options = ['--scoped-token-key', key, '--max-scoped-ttl', '1h'];
    const [url, another, stranger] = [
      await served(...options),
      await served(...options),
      await served(),
    ];
    const { stdout } = await run('token-of-ada', 'token', '--url', url, '--ttl', '1h');
    const token = stdout.trim();
    expect(await harness.client({ url: another, token }).list()).toEqual([]);
    await expect(harness.client({ url: stranger, token }).list()).rejects.toMatchObject({
      code: 'ERR_PERMISSION',
    });
    const tooLong = await run('token-of-ada', 'token', '--url', url, '--ttl', '61m');
    expect(tooLong).toMatchObject({ code: 125, stdout: '' });
    expect(tooLong.stderr).toContain('at most 3600000');
  });

  it('says what is wrong', async () => {
    const url = await served();
    const absent = await run('token-of-ada', 'token', '--url', url, '--sandbox', 'absent');
    expect(absent).toMatchObject({ code: 1, stdout: '' });
    expect(absent.stderr).toContain('there is no sandbox absent');
    const short = join(folder, 'short');
    writeFileSync(short, 'secret');
    const { code, log } = await startServing(isolationForTests(), ['--scoped-token-key', short])
      .ended;
    expect(code).toBe(125);
    expect(log).toContain('at least 32 bytes');
    expect(log).not.toContain('secret');
  });
});
