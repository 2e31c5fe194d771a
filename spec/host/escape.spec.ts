import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { localBackend } from 'sandbox-rx/node';
import { isolationForTests } from '../support/isolation.js';
import { refusalOf, Remote, type BareClient } from '../support/remote.js';

const isolation = isolationForTests();

/** Without isolation a path leads wherever it leads. */
const describeIsolated = isolation === 'none' ? describe.skip : describe;

describeIsolated('a path that leads out of the sandbox', () => {
  const remote = new Remote();
  /** Of this machine; in a sandbox, `/tmp` is its own. */
  const outside = mkdtempSync('/tmp/sandbox-rx-outside-');
  const secret = join(outside, 'secret');
  const planted = join(outside, 'planted');
  let client: BareClient;
  let sandboxId: string;

  beforeAll(async () => {
    writeFileSync(secret, 'of the host');
    const url = await remote.host(localBackend({ isolation }));
    client = remote.bare(url);
    const sandbox = await remote.client(url).create();
    sandboxId = sandbox.id;
    const links = `ln -s ${secret} link; ln -s ${outside} folder; ln -s ${planted} hole; ln -s loop loop`;
    await sandbox.exec(['sh', '-c', links], { check: true });
  });

  afterAll(async () => {
    rmSync(outside, { recursive: true });
    await remote.close();
  });

  it.each([
    ['up and down', () => `${'../'.repeat(40)}${secret}`],
    ['up and down from a folder', () => `/usr/bin/../..${secret}`],
    ['as it is', () => secret],
    ['by a link', () => 'link'],
    ['by a link to its folder', () => 'folder/secret'],
    ['by the root of another process', () => `/proc/1/root${secret}`],
  ])('reads nothing: %s', async (_, path) => {
    const answer = refusalOf(await client.unary('readFile', { sandboxId, path: path() }));
    expect(answer.code).toBe(5);
    expect(answer.reason).toBe('CWSANDBOX_FILE_NOT_FOUND');
  });

  it.each([
    ['up and down', () => `${'../'.repeat(40)}${planted}`],
    ['as it is', () => planted],
    ['by a link', () => 'hole'],
    ['by a link to its folder', () => 'folder/planted'],
    ['over what is there', () => 'link'],
  ])('writes nothing: %s', async (_, path) => {
    await client.unary('writeFile', { sandboxId, path: path(), content: Buffer.from('planted') });
    expect(existsSync(planted)).toBe(false);
    expect(readFileSync(secret, 'utf8')).toBe('of the host');
  });

  it('removes nothing', async () => {
    for (const path of [secret, `${'../'.repeat(40)}${outside}`, 'folder/secret', 'folder/.'])
      await client.unary('removeFile', { sandboxId, path, recursive: true });
    expect(readFileSync(secret, 'utf8')).toBe('of the host');
  });

  it('is no file where it leads to itself', async () => {
    const answer = refusalOf(await client.unary('readFile', { sandboxId, path: 'loop' }));
    expect(answer).toMatchObject({ reason: 'CWSANDBOX_FILE_IO_FAILED', domain: 'cwsandbox.com' });
  });

  it('mounts nothing there', async () => {
    const files = [{ path: `${'../'.repeat(40)}${planted}`, content: Buffer.from('planted') }];
    const fields = { sandbox: { spec: { containers: [{ image: 'any', files }] } } };
    const settled = new Metadata();
    settled.set('sandboxrx-settle', 'create');
    await client.unary('createSandbox', client.encoded('createSandbox', fields), settled);
    expect(existsSync(planted)).toBe(false);
  });
});
