import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from '../host/certificates.js';
import { Harness } from '../host/harness.js';
import { ended, start, type Ended } from './program.js';

const harness = new Harness();
const folder = mkdtempSync('/tmp/sandbox-rx-cli-tls-');
const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => join(folder, name));
let url: string;

beforeAll(async () => {
  const { authority, server, client } = makeCertificates();
  for (const [path, text] of [
    [ca, authority],
    [cert, client.certificate],
    [key, client.key],
  ] as const) {
    writeFileSync(path ?? '', text);
  }
  const listening = await harness.listening({ tls: { ...server, clientAuthorities: authority } });
  url = listening.url.replace('127.0.0.1', 'localhost');
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await harness.close();
});

async function listed(...options: readonly (string | undefined)[]): Promise<Ended> {
  return ended(start('ls', '--json', ...options.map((option) => option ?? '')));
}

describe('sandbox-rx and a server with TLS', () => {
  it('trusts it by --ca, and shows who it is by --cert and --key', async () => {
    const answer = await listed('--url', url, '--ca', ca, '--cert', cert, '--key', key);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
  });

  it('says nothing of an address in the URL, which is no name that TLS can ask for', async () => {
    const byAddress = url.replace('localhost', '127.0.0.1');
    const answer = await listed('--url', byAddress, '--ca', ca, '--cert', cert, '--key', key);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
  });

  it('takes them before the name of the command too', async () => {
    const before = ['--url', url, '--ca', ca, '--cert', cert, '--key', key];
    const child = start(...before.map((option) => option ?? ''), 'ls', '--json');
    expect(await ended(child)).toMatchObject({ code: 0, stderr: '' });
  });

  it.each<[string, RegExp, () => (string | undefined)[]]>([
    ['does not trust it', /ERR_BACKEND_UNAVAILABLE|certificate/, () => ['--url', url]],
    ['is nobody', /./, () => ['--url', url, '--ca', ca]],
    ['has no key', /--cert and --key together/, () => ['--url', url, '--ca', ca, '--cert', cert]],
    ['names no file', /no-such\.pem/, () => ['--url', url, '--ca', join(folder, 'no-such.pem')]],
    ['has no PEM', /tls/, () => ['--url', url, '--ca', ca, '--cert', ca, '--key', cert]],
    ['needs none', /http:\/\//, () => ['--url', 'http://127.0.0.1:1', '--ca', ca]],
    ['asks nobody', /--ca is for --backend grpc/, () => ['--backend', 'local', '--ca', ca]],
  ])('is told what is wrong where it %s', async (_, text, options) => {
    const answer = await listed(...options());
    expect(answer).toMatchObject({ stdout: '' });
    expect(answer.code).not.toBe(0);
    expect(answer.stderr).toMatch(text);
  });
});
