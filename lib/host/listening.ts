import type { AddressInfo, Server } from 'node:net';
import { Observable } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';

/** Where to listen. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** Makes a server listen; emits its URL and completes, or fails with `ERR_BACKEND_UNAVAILABLE`. */
export function listening(
  server: Server,
  { address, port }: Place,
  scheme: string,
): Observable<string> {
  return new Observable((subscriber) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const failed = (cause: Error): void => {
      const text = `cannot listen on ${host}:${port}: ${cause.message}`;
      subscriber.error(new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { cause }));
    };
    server.once('error', failed);
    server.listen({ host: address, port }, () => {
      server.off('error', failed);
      subscriber.next(`${scheme}://${host}:${portOf(server.address(), port)}`);
      subscriber.complete();
    });
  });
}

function portOf(bound: AddressInfo | string | null, port: number): number {
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}
