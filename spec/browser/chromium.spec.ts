import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BrowserPage, bundle, describeInChromium } from './chromium.js';
import type { Scenario } from './page.js';

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

describeInChromium('in Chromium', () => {
  let opened: BrowserPage;

  beforeAll(async () => {
    opened = await BrowserPage.of('spec/browser/page.ts');
  });

  afterAll(async () => {
    await opened.close();
  });

  const run = (scenario: Scenario): Promise<unknown> =>
    opened.page.evaluate(`scenarios.${scenario}()`);
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
    expect(opened.complaints).toEqual([]);
  });
});
