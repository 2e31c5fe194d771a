import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status as Status,
  type ClientDuplexStream,
  type ClientReadableStream,
  type MethodDefinition,
  type ServiceError,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { SandboxClient, type SandboxBackend } from 'sandbox-rx';
import { Host, type HostOptions } from 'sandbox-rx/host';
import { grpcBackend, type ConnectedBackend, type GrpcBackendOptions } from 'sandbox-rx/node';
import { DiscoveryServiceDefinition } from '../../lib/wire/generated/coreweave/sandbox/v1/discovery.js';
import { SandboxTemplateServiceDefinition } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import { SandboxServiceDefinition } from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunServiceDefinition } from '../../lib/wire/generated/sandboxrx/v1/runs.js';
import {
  FileServiceDefinition,
  ProcessServiceDefinition,
} from '../../lib/wire/generated/sandboxrx/v1/sandboxrx.js';
import { TokenServiceDefinition } from '../../lib/wire/generated/sandboxrx/v1/tokens.js';
import { WatchServiceDefinition } from '../../lib/wire/generated/sandboxrx/v1/watches.js';
import { statusDetailsKey } from '../../lib/wire/grpc-code.js';
import { readDetails } from '../../lib/wire/status-details.js';

/** What one test of things that talk to each other has opened; closed with `close`, the last first. */
export class Remote {
  readonly #closers: (() => PromiseLike<unknown> | void)[] = [];

  /** Remembers something to be closed. */
  add<T>(thing: T, close: (thing: T) => PromiseLike<unknown> | void): T {
    this.#closers.push(() => close(thing));
    return thing;
  }

  async host(backend: SandboxBackend, options: HostOptions = {}): Promise<string> {
    return await this.add(new Host(backend, options), (host) => host.close()).listen();
  }

  backend(url: string, options: GrpcBackendOptions = {}): ConnectedBackend {
    return this.add(grpcBackend({ url, ...options }), (backend) => backend.close());
  }

  client(url: string, options: GrpcBackendOptions = {}): SandboxClient {
    return new SandboxClient(this.backend(url, options));
  }

  /** A client of `backend` over so many hosts. */
  async chain(
    backend: SandboxBackend,
    { hops = 1, ...options }: GrpcBackendOptions & { readonly hops?: number } = {},
  ): Promise<SandboxClient> {
    let top = backend;
    for (let hop = 0; hop < hops; hop++) top = this.backend(await this.host(top), options);
    return new SandboxClient(top);
  }

  /** A server that knows nothing of this library, with the calls that are given, by name. */
  async service(calls: Readonly<Record<string, UntypedHandleCall>>, port = 0): Promise<string> {
    const server = new Server();
    server.addService(definitions, calls);
    this.add(server, () => {
      server.forceShutdown();
    });
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) => {
        if (error === null) resolve(at);
        else reject(error);
      });
    });
    return `http://127.0.0.1:${bound}`;
  }

  bare(url: string): BareClient {
    return this.add(new BareClient(url), (client) => {
      client.close();
    });
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

interface Codec {
  encode(message: never): { finish(): Uint8Array };
  fromPartial(fields: object): unknown;
  decode(bytes: Uint8Array): unknown;
}

/** A service as it is generated; of its methods, what grpc-js wants to know. */
interface Service {
  readonly fullName: string;
  readonly methods: Readonly<
    Record<
      string,
      {
        readonly name: string;
        readonly requestType: Codec;
        readonly responseType: Codec;
        readonly requestStream: boolean;
        readonly responseStream: boolean;
      }
    >
  >;
}

const services: readonly Service[] = [
  SandboxServiceDefinition,
  SandboxTemplateServiceDefinition,
  DiscoveryServiceDefinition,
  ProcessServiceDefinition,
  RunServiceDefinition,
  FileServiceDefinition,
  TokenServiceDefinition,
  WatchServiceDefinition,
];

/** All calls of the services, by their names, as grpc-js describes them. */
const definitions: Record<string, MethodDefinition<unknown, unknown>> = Object.fromEntries(
  services.flatMap(({ fullName, methods }) =>
    Object.entries(methods).map(([key, method]) => {
      const { requestType: request, responseType: response } = method;
      const definition: MethodDefinition<unknown, unknown> = {
        path: `/${fullName}/${method.name}`,
        originalName: key,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestSerialize: (message) => Buffer.from(request.encode(message as never).finish()),
        requestDeserialize: (bytes) => request.decode(bytes),
        responseSerialize: (message) => Buffer.from(response.encode(message as never).finish()),
        responseDeserialize: (bytes) => response.decode(bytes),
      };
      return [key, definition];
    }),
  ),
);

/** How a call ended that was made by hand. */
export interface BareEnd {
  readonly code: number;
  readonly message: string;
  readonly messages: readonly unknown[];
  readonly metadata: Metadata;
}

/** What an answer says that went wrong, and with which fields of the request. */
export interface Refusal {
  readonly code: number;
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly fields: readonly string[];
}

/** Reads the `grpc-status-details-bin` of an answer. */
export function refusalOf({ code, message, metadata }: BareEnd): Refusal {
  const [bytes] = metadata.get(statusDetailsKey);
  const details = bytes instanceof Uint8Array ? bytes : undefined;
  const { reason, domain, violations = [] } = readDetails({ code, message, details });
  return { code, reason, domain, fields: violations.map(({ field }) => field) };
}

/** What is refused since a field of the request cannot be as it is. */
export function badRequest(...fields: readonly string[]): Refusal {
  return { code: 3, reason: 'CWSANDBOX_INVALID_REQUEST', domain: 'cwsandbox.com', fields };
}

/** Calls by hand, with whatever bytes one likes. */
export class BareClient extends Client {
  constructor(url: string) {
    super(new URL(url).host, credentials.createInsecure(), {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
      // What waits to be sent would cost time by its square.
      'grpc.enable_retries': 0,
    });
  }

  /** The request of a call, of some of its fields. */
  encoded(name: string, fields: object): Uint8Array {
    const method = services.flatMap(({ methods }) => methods[name] ?? [])[0];
    return definitionOf(name).requestSerialize(method?.requestType.fromPartial(fields));
  }

  /** A unary call. */
  async unary(
    name: string,
    request: unknown,
    metadata: Metadata = new Metadata(),
  ): Promise<BareEnd> {
    const method = definitionOf(name);
    const bytes = request instanceof Uint8Array ? request : method.requestSerialize(request);
    return new Promise((resolve) => {
      this.makeUnaryRequest(
        method.path,
        Buffer.from,
        method.responseDeserialize,
        bytes,
        metadata,
        (error: ServiceError | null, value?: unknown) => {
          resolve(
            error === null
              ? { code: 0, message: '', messages: [value], metadata: new Metadata() }
              : {
                  code: error.code,
                  message: error.details,
                  messages: [],
                  metadata: error.metadata,
                },
          );
        },
      );
    });
  }

  stream(
    name: string,
    metadata: Metadata = new Metadata(),
    deadline: number = Infinity,
  ): ClientDuplexStream<unknown, unknown> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(name);
    return this.makeBidiStreamRequest(
      path,
      (request: unknown) =>
        request instanceof Uint8Array ? Buffer.from(request) : requestSerialize(request),
      responseDeserialize,
      metadata,
      { deadline },
    );
  }

  read(name: string, request: unknown): ClientReadableStream<unknown> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(name);
    return this.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  }

  /** A stream on which all of this is sent, to its end. */
  async streamed(
    name: string,
    requests: readonly unknown[],
    metadata: Metadata = new Metadata(),
  ): Promise<BareEnd> {
    const stream = this.stream(name, metadata);
    const end = endOf(stream);
    for (const request of requests) stream.write(request);
    stream.end();
    return end;
  }
}

/** How a stream ends. */
async function endOf(stream: Pick<ClientReadableStream<unknown>, 'on'>): Promise<BareEnd> {
  const messages: unknown[] = [];
  return new Promise((resolve) => {
    stream.on('data', (message: unknown) => messages.push(message));
    stream.on('error', () => undefined);
    stream.on('status', ({ code, details, metadata }) => {
      const tell = (): void => {
        resolve({ code, message: details, messages, metadata });
      };
      // Of a call that succeeded, messages may be left to be read.
      if (code === Status.OK) stream.on('end', tell);
      else tell();
    });
  });
}

function definitionOf(name: string): MethodDefinition<unknown, unknown> {
  const definition = definitions[name];
  if (definition === undefined) throw new Error(`there is no call ${name}`);
  return definition;
}
