import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxBackend } from 'sandbox-rx';
import { Host } from 'sandbox-rx/host';
import { localBackend } from 'sandbox-rx/node';
import { backendContract, memoryBackend, shellPrograms } from 'sandbox-rx/testing';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { BrowserPage, describeInChromium } from './chromium.js';
import { Collected } from './contract-tests.js';

/** The tests have the same names and order for all subjects. */
const names = ((): string[] => {
  const collected = new Collected();
  const create = memoryBackend;
  backendContract(collected, { name: 'rpc(ws, host)', commands: shellPrograms, create });
  return collected.tests.map(({ name }) => name);
})();

describeInChromium('in Chromium, over its own WebSocket', () => {
  const snapshotDirectory = mkdtempSync(join(tmpdir(), 'snapshots-'));
  let opened: BrowserPage;

  beforeAll(async () => {
    opened = await BrowserPage.of('spec/browser/contract-page.ts');
  });

  afterAll(async () => {
    await opened.close();
    rmSync(snapshotDirectory, { recursive: true });
  });

  const backends: Readonly<Record<string, () => SandboxBackend>> = {
    memory: () => memoryBackend({ programs: memoryPrograms }),
    local: () => localBackend({ isolation: 'none', snapshotDirectory }),
  };

  describe.each(Object.entries(backends))('with a host of %s', (subject, backend) => {
    let host: Host;
    let url = '';

    beforeEach(async () => {
      host = new Host(backend(), { origins: [opened.origin] });
      url = await host.listen();
    });

    afterEach(async () => {
      await host.close();
    });

    it.each(names.map((name, number) => [name, number] as const))('%s', async (_name, number) => {
      const call = `runTest(${JSON.stringify(subject)}, ${number}, ${JSON.stringify(url)})`;
      await opened.page.evaluate(call);
    });
  });

  it('has had nothing to complain of', () => {
    // Chromium writes down by itself what a test of services asks for on purpose: a port of a sandbox that is gone.
    const refusal = 'Failed to load resource: net::ERR_CONNECTION_REFUSED';
    expect(opened.complaints.filter((text) => text !== refusal)).toEqual([]);
  });
});
