import {
  credentials,
  makeGenericClientConstructor,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { SandboxClient, type RemoteDetails, type SandboxBackend } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { grpcBackend, type GrpcBackendOptions } from 'sandbox-rx/node';
import { memoryBackend } from 'sandbox-rx/testing';
import { SandboxServiceDefinition } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { readDetails } from '../../lib/wire/status-details.js';
import { memoryPrograms } from '../backends/memory/memory-programs.js';
import { root } from '../support/repository.js';

/** Hosts and clients of one test; all are closed when it is over. */
export class Harness {
  readonly #closing: (() => unknown)[] = [];

  host(options: HostOptions = {}, backend: SandboxBackend = memory()): Host {
    const host = new Host(backend, options);
    this.#closing.push(() => host.close());
    return host;
  }

  /** A host that listens, and where. */
  async listening(
    options: HostOptions = {},
    backend: SandboxBackend = memory(),
  ): Promise<{ readonly host: Host; readonly url: string }> {
    const host = this.host(options, backend);
    return { host, url: await host.listen() };
  }

  client(options: GrpcBackendOptions): SandboxClient {
    const backend = grpcBackend({ retryBudgetMs: 0, ...options });
    this.#closing.push(() => {
      backend.close();
    });
    return new SandboxClient(backend);
  }

  /** Registers what else has to be closed. */
  closing(close: () => unknown): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

/** A host in a process of its own, which can be killed. */
export async function hostProcess(
  directory: string,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const program = join(root, 'spec/host/fixtures/host-process.js');
  const child = fork(program, [directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [url] = (await once(child, 'message')) as [string];
  return { child, url };
}

export function memory(): SandboxBackend {
  return memoryBackend({ programs: memoryPrograms });
}

/** How a call failed, as a bare client of grpc-js hears it. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly remote: RemoteDetails;
}

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** One unary call by bare grpc-js, on a connection of its own; rejects with a {@link Failure}. */
export async function bareCall<Request, Response>(
  url: string,
  method: {
    readonly name: string;
    readonly requestType: Codec<Request>;
    readonly responseType: Codec<Response>;
  },
  request: Request,
  entries: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { name, requestType, responseType } = method;
  const Client = makeGenericClientConstructor({}, 'bare');
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/${SandboxServiceDefinition.fullName}/${name}`,
        (message: Request) => Buffer.from(requestType.encode(message).finish()),
        (bytes: Buffer) => responseType.decode(bytes),
        request,
        metadata,
        (error: ServiceError | null, response?: Response) => {
          if (response === undefined) reject(error ?? new Error('no answer'));
          else resolve(response);
        },
      );
    });
  } finally {
    client.close();
  }
}

/** GetSandbox of one that is not there, by bare grpc-js. */
export async function failureOf(
  url: string,
  entries: Readonly<Record<string, string>> = {},
): Promise<Failure> {
  const { getSandbox } = SandboxServiceDefinition.methods;
  return bareCall(url, getSandbox, { sandboxId: 'absent' }, entries).then(
    () => {
      throw new Error('the call succeeded');
    },
    (error: unknown) => failure(error as ServiceError),
  );
}

/** What the error of a bare call says. */
export function failure({ code, details: message, metadata }: ServiceError): Failure {
  const details = metadata.get('grpc-status-details-bin')[0] as Buffer | undefined;
  return { code, message, remote: readDetails({ code, message, details }) };
}
