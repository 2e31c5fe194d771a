import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { SandboxClient, type Sandbox } from 'sandbox-rx';
import { localBackend, websocketBackend } from 'sandbox-rx/node';
import { Host } from 'sandbox-rx/host';
import { eventually } from '../contract/kit.js';
import { isolationForTests } from '../support/isolation.js';
import { countWords } from './data-pipeline.js';
import { runServer } from './event-stream.js';
import { countLevels } from './log-service.js';

let sandbox: Sandbox;
beforeEach(async () => {
  const client = new SandboxClient(localBackend({ isolation: isolationForTests() }));
  sandbox = await client.create();
});
afterEach(async () => {
  await sandbox.delete();
});

describe('the log service', () => {
  const levels = ['INFO', 'WARN', 'ERROR', 'INFO'];
  const classifier = ['sed', '-u', '-E', 's/^[^ ]+ ([A-Z]+) .*/\\1/'];

  it('counts every line, and takes no more than its workers read', async () => {
    let taken = 0;
    async function* lines(): AsyncGenerator<string> {
      for (; taken < 40_000; taken++)
        yield await Promise.resolve(`12:00 ${levels[taken % 4]} text`);
    }
    const counts$ = countLevels({ sandbox, lines: lines(), classifier, everyMs: 50 });
    expect(await lastValueFrom(counts$)).toEqual({ INFO: 20_000, WARN: 10_000, ERROR: 10_000 });
  });

  it('goes on where a line ends its worker, and counts that', async () => {
    const fragile =
      'while read -r time level text; do [ "$level" = POISON ] && exit 3; echo "$level"; done';
    const lines = ['a INFO x', 'b POISON x', 'c INFO x', 'd WARN x'];
    const service = { sandbox, lines, classifier: ['sh', '-c', fragile], everyMs: 50 };
    const counts = await lastValueFrom(countLevels(service));
    expect(counts).toEqual({ INFO: 2, WARN: 1, broken: 1 });
  });
});

describe('the data pipeline', () => {
  it('counts in one sandbox what is in another, over a WebSocket', async () => {
    const host = new Host(localBackend({ isolation: 'none' }));
    const backend = websocketBackend({ url: await host.listen() });
    const worker = await new SandboxClient(backend).create();
    await sandbox.files.write('words.txt', 'the cat, the dog; the cat!\n'.repeat(1000));
    const counts = await lastValueFrom(countWords(sandbox, worker, 'words.txt').pipe(toArray()));
    expect(counts).toEqual([
      { word: 'the', count: 3000 },
      { word: 'cat', count: 2000 },
      { word: 'dog', count: 1000 },
    ]);
    await worker.delete();
    backend.close();
    await host.close();
  });
});

describe('the event stream', () => {
  const commands = {
    count: ['sh', '-c', 'seq 3; exit 4'],
    endless: ['sh', '-c', 'echo up; exec sleep 600'],
  };

  it('sends each line, and how it ended', async () => {
    const server = runServer(sandbox, commands);
    const url = await server.listen();
    const response = await fetch(`${url}/runs/count`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events = ['1', '2', '3'].map((line) => `event: line\ndata: "${line}"\n\n`);
    expect(await response.text()).toBe(`${events.join('')}event: exit\ndata: 4\n\n`);
    expect((await fetch(`${url}/runs/toString`)).status).toBe(404);
    await server.close();
  });

  it('ends the run when the browser leaves', async () => {
    const server = runServer(sandbox, commands);
    const leaving = new AbortController();
    const response = await fetch(`${await server.listen()}/runs/endless`, {
      signal: leaving.signal,
    });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('"up"');
    const running = async (): Promise<number> =>
      (await sandbox.processes()).filter(({ state }) => state === 'running').length;
    expect(await running()).toBe(1);
    leaving.abort();
    await eventually('it has ended', async () => (await running()) === 0);
    await server.close();
  });
});
