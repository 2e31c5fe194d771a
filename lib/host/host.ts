import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { concat, Observable } from 'rxjs';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { startOperation, type OperationRef } from '../process/operation-ref.js';
import { checkInteger, checkRecord, checkText } from '../process/validate.js';
import type { SandboxBackend } from '../sandbox/backend.js';
import { servedMethods } from './served-methods.js';
import type { ServedMethod } from './grpc/service.js';
import { Sandboxes } from './sandboxes.js';

/** Options for {@link Host}. */
export interface HostOptions {
  /** The address to listen on. Default `127.0.0.1`. */
  readonly address?: string;
  /** The port to listen on; 0: one that is free. Default 0. */
  readonly port?: number;
  /** How long an ended sandbox can still be asked for, in milliseconds. Default 3600000: an hour. */
  readonly retentionMs?: number;
  /** How much of a main command's output is kept for `StreamLogs`, in bytes. Default 4194304. */
  readonly logBytes?: number;
}

/** Both official clients allow as much. */
const maxMessageBytes = 104_857_600;

/**
 * Serves any backend to clients of `coreweave.sandbox.v1` over gRPC: this library's `grpcBackend`, and CoreWeave's own.
 *
 * @example
 * ```ts
 * import { Host } from 'sandbox-rx/host';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * const host = new Host(localBackend(), { port: 50051 });
 * const url = await host.listen();
 * console.log(`CWSANDBOX_BASE_URL=${url}`);
 * ```
 */
export class Host {
  readonly #options: HostOptions;
  readonly #server: Server;
  readonly #sandboxes: Sandboxes;

  /** @throws {@link SandboxValidationError} for a bad option. */
  constructor(backend: SandboxBackend, options: HostOptions = {}) {
    checkOptions(options);
    this.#options = options;
    const { retentionMs = 3_600_000, logBytes = 4_194_304 } = options;
    this.#sandboxes = new Sandboxes(backend, { retentionMs, logBytes });
    this.#server = serverOf(servedMethods(backend, this.#sandboxes));
  }

  /** Begins to listen. Gives the URL at which clients reach it. */
  listen(): OperationRef<string> {
    const { address = '127.0.0.1', port = 0 } = this.#options;
    const host = address.includes(':') ? `[${address}]` : address;
    return startOperation(
      new Observable<string>((subscriber) => {
        this.#server.bindAsync(
          `${host}:${port}`,
          ServerCredentials.createInsecure(),
          (error, bound) => {
            if (error !== null) {
              const text = `cannot listen on ${host}:${port}: ${error.message}`;
              subscriber.error(new SandboxError('ERR_BACKEND_UNAVAILABLE', text, { cause: error }));
              return;
            }
            subscriber.next(`http://${host}:${bound}`);
            subscriber.complete();
          },
        );
      }),
    );
  }

  /** Stops listening, ends all calls and all sandboxes; settles when nothing is left. */
  close(): OperationRef<void> {
    const stopped$: Observable<never> = new Observable((subscriber) => {
      this.#server.forceShutdown();
      subscriber.complete();
    });
    return startOperation<void>(concat(stopped$, this.#sandboxes.close()), undefined);
  }
}

function serverOf(methods: readonly ServedMethod[]): Server {
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
  });
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const { path, definition: method, handle } of methods) {
    definition[path] = method;
    implementation[path] = handle;
  }
  server.addService(definition, implementation);
  return server;
}

function checkOptions(options: HostOptions): void {
  checkRecord('options', options);
  checkText('address', options.address);
  checkInteger('port', options.port, { min: 0, max: 65_535 });
  checkInteger('retentionMs', options.retentionMs, { min: 0 });
  checkInteger('logBytes', options.logBytes, { min: 1024 });
}
