import { describe, expect, it } from '@jest/globals';
import {
  SandboxClient,
  SandboxExecutionError,
  SandboxValidationError,
  TimeoutError,
  waitForLine,
  waitForPort,
} from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { memoryBackend, out, type Program } from 'sandbox-rx/testing';
import { isolationForTests } from '../support/isolation.js';
import { outcome } from '../support/driven-process.js';

const heading = '  sl  local_address rem_address   st tx_queue rx_queue\n';
const listens = '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n';
const connected = '   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000\n';

describe('waitForPort', () => {
  it('looks again and again until something listens at the port', async () => {
    let looks = 0;
    const cat: Program = () => [
      out(++looks < 3 ? heading + connected : heading + connected + listens),
    ];
    const sandbox = await new SandboxClient(memoryBackend({ programs: { cat } })).create();
    await waitForPort(sandbox, 8080, { intervalMs: 1 });
    expect(looks).toBe(3);
  });

  it('takes no port that is only connected for one that listens, and gives up after its time', async () => {
    const cat: Program = [out(heading + connected + listens)];
    const sandbox = await new SandboxClient(memoryBackend({ programs: { cat } })).create();
    const waiting = waitForPort(sandbox, 8081, { intervalMs: 1, timeoutMs: 20 });
    expect(await outcome(waiting)).toMatchObject({ error: expect.any(TimeoutError) });
  });

  it('fails where no command can be run', async () => {
    const sandbox = await new SandboxClient(memoryBackend()).create();
    const { error } = (await outcome(waitForPort(sandbox, 80))) as { error: unknown };
    expect(error).toBeInstanceOf(SandboxExecutionError);
  });

  it('finds a real server in its sandbox', async () => {
    const backend = localBackend({ isolation: isolationForTests() });
    await using sandbox = await new SandboxClient(backend).create();
    const script = `
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
input(); s.listen(); time.sleep(60)`;
    const server = sandbox.exec(['python3', '-c', script], { stdin: true });
    const [port = ''] = await waitForLine(server, /\d+/, { stream: 'stdout' });
    const early = await outcome(waitForPort(sandbox, Number(port), { timeoutMs: 300 }));
    expect(early).toMatchObject({ error: expect.any(TimeoutError) });
    const waiting = waitForPort(sandbox, Number(port));
    await server.stdin?.writeline('go');
    await waiting;
    server.cancel();
  });

  it('refuses what it cannot work with', async () => {
    const sandbox = await new SandboxClient(memoryBackend()).create();
    for (const waiting of [
      waitForPort({} as never, 80),
      waitForPort(sandbox, 0),
      waitForPort(sandbox, 65_536),
      waitForPort(sandbox, 80, { intervalMs: 0 }),
      waitForPort(sandbox, 80, { scheduler: 5 as never }),
    ]) {
      expect(await outcome(waiting)).toMatchObject({ error: expect.any(SandboxValidationError) });
    }
  });
});
