import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  SandboxClient,
  SandboxValidationError,
  type Sandbox,
  type SandboxSpec,
  type ServicePort,
} from 'sandbox-rx';
import { localBackend, type LocalBackendOptions } from 'sandbox-rx/node';
import { elapsed, eventually, failureOf } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { ownChildren } from './host.js';

const sandboxes: Sandbox[] = [];

afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.delete();
});

async function open(spec: SandboxSpec, options: LocalBackendOptions = {}): Promise<Sandbox> {
  const sandbox = await new SandboxClient(localBackend(options)).create(spec);
  sandboxes.push(sandbox);
  return sandbox;
}

/** Sends back in capitals all that a visitor sends, once the visitor has sent all: every visitor in turn. */
const server = `
use IO::Socket::INET;
my $server = IO::Socket::INET->new(
  LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 64, ReuseAddr => 1) or die "$!";
$| = 1; print "listening\\n";
while (my $visitor = $server->accept) {
  local $/; my $said = <$visitor>;
  print $visitor uc $said; close $visitor;
}`;

/** Runs the server, until the sandbox is deleted. */
async function listen(sandbox: Sandbox, port: number): Promise<void> {
  const running = sandbox.exec(['perl', '-e', server, String(port)]);
  running.result().catch(() => undefined);
  for await (const said of running.stdout) if (said.includes('listening')) return;
  throw new Error(`it ended: ${(await running.result()).stderr}`);
}

async function addressOf(sandbox: Sandbox, port: number): Promise<URL> {
  const { services = [] } = await sandbox.status();
  return new URL(services.find((service) => service.port === port)?.url ?? 'none:');
}

/** Whether this program itself listens anywhere. */
function isListening(): boolean {
  return process.getActiveResourcesInfo().includes('TCPServerWrap');
}

function visit({ hostname, port }: URL): Socket {
  return connect({ host: hostname, port: Number(port), allowHalfOpen: true });
}

async function ask(address: URL, question: string): Promise<string> {
  const visitor = visit(address);
  visitor.end(question);
  return text(visitor);
}

describeWithBubblewrap('services of a sandbox with a network of its own', () => {
  it('are reached from this machine, by an address that status() tells', async () => {
    const services: ServicePort[] = [{ port: 8080, name: 'web' }, { port: 9090 }];
    const sandbox = await open({ services });
    const { services: told } = await sandbox.status();
    expect(told).toEqual([
      { port: 8080, name: 'web', url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
      { port: 9090, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
    ]);
    await Promise.all([listen(sandbox, 8080), listen(sandbox, 9090)]);
    expect(await ask(await addressOf(sandbox, 8080), 'hello')).toBe('HELLO');
    expect(await ask(await addressOf(sandbox, 9090), 'other')).toBe('OTHER');
  });

  it('carry all that is sent, both ways, for many visitors', async () => {
    const sandbox = await open({ services: [{ port: 8000 }] });
    await listen(sandbox, 8000);
    const address = await addressOf(sandbox, 8000);
    const long = 'abc'.repeat(1_000_000);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ask(address, index === 7 ? long : `no ${index}`)),
    );
    expect(
      answers.map((answer, index) => (index === 7 ? answer === long.toUpperCase() : answer)),
    ).toEqual(Array.from({ length: 20 }, (_, index) => (index === 7 ? true : `NO ${index}`)));
  });

  it('may have ports that elsewhere are for root alone', async () => {
    const sandbox = await open({ services: [{ port: 80 }] });
    await listen(sandbox, 80);
    expect(await ask(await addressOf(sandbox, 80), 'low')).toBe('LOW');
  });

  it('of two sandboxes may have the same port', async () => {
    const first = await open({ services: [{ port: 8000 }] });
    const second = await open({ services: [{ port: 8000 }] });
    await listen(second, 8000);
    expect(await ask(await addressOf(second, 8000), 'second')).toBe('SECOND');
    const refused = visit(await addressOf(first, 8000));
    // Nothing listens there.
    const code: unknown = expect.stringMatching(/ECONNRESET|EPIPE/);
    expect(await failureOf(once(refused, 'end'))).toMatchObject({ code });
  });

  it('end with their sandbox, and leave nothing', async () => {
    const before = ownChildren().length;
    const sandbox = await open({ services: [{ port: 8000 }] });
    await listen(sandbox, 8000);
    const address = await addressOf(sandbox, 8000);
    const visitor = visit(address);
    await once(visitor, 'connect');
    visitor.on('error', () => undefined);
    const info = await sandbox.stop();
    expect(info.services).toBeUndefined();
    await eventually('the visitor is cut', () => visitor.destroyed || visitor.readableEnded);
    visitor.destroy();
    expect(await failureOf(once(visit(address), 'connect'))).toMatchObject({
      code: 'ECONNREFUSED',
    });
    await sandbox.delete();
    sandboxes.splice(0);
    expect(ownChildren()).toHaveLength(before);
  });

  it('that cannot be had are an error, and leave nothing', async () => {
    const before = ownChildren().length;
    // An address that is nobody's.
    const opening = open({ services: [{ port: 8000 }] }, { serviceAddress: '192.0.2.1' });
    const error = await failureOf(opening);
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(String(error)).toMatch(/services of the sandbox cannot be reached: .*EADDRNOTAVAIL/);
    await eventually('nothing is left', () => ownChildren().length === before && !isListening());
  });

  it('leave nothing when a creation is cancelled, whenever that is', async () => {
    const before = ownChildren().length;
    const client = new SandboxClient(localBackend());
    for (let ms = 0; ms < 300; ms += 20) {
      const creation = client.create({ services: [{ port: 8000 }, { port: 8001 }] });
      await elapsed(ms);
      if (!creation.cancel()) sandboxes.push(await creation);
    }
    for (const sandbox of sandboxes.splice(0)) await sandbox.delete();
    expect(await client.list()).toEqual([]);
    await eventually('nothing is left', () => ownChildren().length === before && !isListening());
  });

  it('end their sandbox when what carries their connections ends', async () => {
    const before = ownChildren();
    const sandbox = await open({ services: [{ port: 8000 }] });
    const relay = ownChildren()
      .filter((pid) => !before.includes(pid))
      .at(-1);
    process.kill(Number(relay), 'SIGKILL');
    expect(await sandbox.wait()).toMatchObject({
      status: 'stopped',
      reason: expect.stringMatching(/ended unexpectedly .SIGKILL/) as unknown,
    });
  });
});

describe('services without a network of their own', () => {
  it('are at their own ports', async () => {
    const sandbox = await open({ services: [{ port: 48_123 }] }, { isolation: 'none' });
    const address = await addressOf(sandbox, 48_123);
    expect(address.href).toBe('http://127.0.0.1:48123/');
    await listen(sandbox, 48_123);
    expect(await ask(address, 'plain')).toBe('PLAIN');
  });
});

describe('what cannot be a service', () => {
  it.each<[string, unknown]>([
    ['services must be an array', 80],
    ['services[0] must be', [80]],
    ['services[0].port must be', [{}]],
    ['services[0].port must be', [{ port: 0 }]],
    ['services[0].port must be', [{ port: 65_536 }]],
    ['services[0].port must be', [{ port: '80' }]],
    ['services[0].name must be', [{ port: 80, name: 1 }]],
    ['services[1].port must be', [{ port: 8000 }, { port: 8000 }]],
  ])('is refused: %s', (message, services) => {
    const client = new SandboxClient(localBackend({ isolation: 'none' }));
    const create = (): unknown => client.create({ services } as SandboxSpec);
    expect(create).toThrow(SandboxValidationError);
    expect(create).toThrow(message);
  });

  it.each(['', 'localhost', '0.0.0.0', '::'])('is refused: the address %j', (serviceAddress) => {
    expect(() => localBackend({ serviceAddress })).toThrow(SandboxValidationError);
  });
});
