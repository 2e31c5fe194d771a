import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Observable, of } from 'rxjs';
import { messageOf } from '../../process/errors/message-of.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import type { ServiceAddress, ServicePort } from '../../sandbox/sandbox-spec.js';
import type { LocalBox } from './box.js';
import { isShortage } from './errno.js';
import { Keeper } from './keeper.js';
import { onlyThese, type ChildFd } from './stdio.js';

/** The services of a sandbox that can be reached. */
export interface Exposure {
  readonly addresses: readonly ServiceAddress[];
  /** What carries the connections. Absent: they need nobody. */
  readonly relay?: Keeper;
}

/**
 * Carries connections into a sandbox's network: it is a process there, to which this program hands sockets that listen
 * outside. Commands there have no privileges, so it opens the low ports to everybody where one of them is wanted. It ends when its
 * input does. An end of one direction is passed on as that; a broken connection breaks the other.
 */
const relayScript = `
const { writeFileSync } = require('node:fs');
const { connect } = require('node:net');
const joined = (from, to) => {
  from.pipe(to);
  // Node does not close a socket that is reset while it ends.
  const broken = () => (to.writableEnded ? to.destroy() : to.resetAndDestroy());
  from.on('error', broken).on('close', (hadError) => hadError && broken());
};
process.on('message', (port, server) => {
  server.allowHalfOpen = true;
  server.on('connection', (visitor) => {
    const service = connect({ host: 'localhost', port, allowHalfOpen: true, noDelay: true });
    joined(visitor, service);
    joined(service, visitor);
  });
  let failure = '';
  try {
    if (port < 1024) writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0');
  } catch (error) {
    failure = 'nothing in it can listen on port ' + port + ' (' + error.message + '); choose one from 1024 on';
  }
  process.send(failure);
});
process.stdin.resume().on('end', () => process.exit()).on('error', () => process.exit());
`;

/** What is to be reached, and where. */
export interface Exposing {
  readonly services: readonly ServicePort[];
  /** An address of this machine. */
  readonly address: string;
}

/**
 * Lets the services of a sandbox be reached: in a network of its own by ports that are free outside, else by its own ports.
 * Unsubscribing before that leaves nothing behind.
 */
export function exposed(
  { inNetwork }: Pick<LocalBox, 'inNetwork'>,
  { services, address }: Exposing,
): Observable<Exposure> {
  const host = address.includes(':') ? `[${address}]` : address;
  const at = (service: ServicePort, port: number): ServiceAddress => ({
    ...service,
    url: `http://${host}:${port}`,
  });
  if (inNetwork === undefined || services.length === 0)
    return of({ addresses: services.map((service) => at(service, service.port)) });
  return new Observable((subscriber) => {
    const child = startRelay(inNetwork);
    const relay = new Keeper(child, () => child.stdin?.destroy());
    subscriber.add(() => {
      if (child.connected) relay.close$.subscribe();
    });
    listening(child, { services, address }).then(
      (ports) => {
        if (subscriber.closed) return;
        child.disconnect();
        relay.ready();
        const addresses = services.map((service, index) => at(service, ports[index] ?? 0));
        subscriber.next({ addresses, relay });
        subscriber.complete();
      },
      (cause: unknown) => {
        const text = `the services of the sandbox cannot be reached: ${messageOf(cause)}`;
        subscriber.error(
          new SandboxError('ERR_BACKEND_UNAVAILABLE', text, {
            cause,
            retryable: isShortage(cause),
          }),
        );
      },
    );
  });
}

function startRelay([file = '', ...args]: readonly string[]): ChildProcess {
  const stdio: (ChildFd | 'ipc')[] = onlyThese(['pipe', 'ignore', 'ignore', 'ignore'], true);
  stdio[3] = 'ipc';
  return spawn(file, [...args, process.execPath, '-e', relayScript], {
    ...{ stdio, cwd: '/', detached: true, env: { LC_ALL: 'C' } },
  });
}

/** The ports outside, one for each service. */
async function listening(child: ChildProcess, { services, address }: Exposing): Promise<number[]> {
  const ended: Promise<never> = new Promise((_, reject) => {
    // One more may come of what is sent to a child that never was.
    child.on('error', reject);
    child.once('exit', () => {
      reject(new Error('what carries connections there ended'));
    });
  });
  const ports: number[] = [];
  for (const { port } of services) {
    const server = createServer();
    try {
      await Promise.race([ended, handedOver(server, child, { port, address })]);
      ports.push(portOf(server));
    } finally {
      server.close();
    }
  }
  return ports;
}

async function handedOver(
  server: Server,
  child: ChildProcess,
  { port, address }: { readonly port: number; readonly address: string },
): Promise<void> {
  server.listen({ host: address, port: 0 });
  await once(server, 'listening');
  const taken: Promise<readonly unknown[]> = once(child, 'message');
  child.send(port, server);
  const [failure] = await taken;
  if (failure !== '') throw new Error(String(failure));
}

function portOf(server: Server): number {
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}
