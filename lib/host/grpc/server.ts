import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { Observable } from 'rxjs';
import { maxMessageBytes } from '../../wire/codec.js';
import type { Calls } from '../calls/calls.js';
import { interceptorOf } from './interceptor.js';
import type { ServedMethod } from '../served-method.js';
import { grpcSink } from './service.js';

/** What a server keeps to. */
export interface ServerConfig {
  readonly calls: Calls;
  /** Of messages that are taken. */
  readonly maxMessageBytes: number;
  /** From one ping to the next, in milliseconds. */
  readonly keepaliveMs: number;
  /** How long a ping may stay without an answer before the connection is given up. */
  readonly keepaliveTimeoutMs: number;
}

/** A gRPC server that answers these methods. */
export function serverOf(methods: readonly ServedMethod[], config: ServerConfig): Server {
  const { calls, keepaliveMs, keepaliveTimeoutMs } = config;
  const server = new Server({
    'grpc.max_receive_message_length': config.maxMessageBytes,
    // What is sent is bounded by what may be asked for.
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    interceptors: [interceptorOf(calls)],
  });
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const served of methods) {
    const { path, definition: method, handle } = served.into(grpcSink);
    definition[path] = method;
    implementation[path] = handle;
  }
  server.addService(definition, implementation);
  return server;
}

/** Lets connections go when their callers have heard how their calls ended; completes when they have. */
export function shutDown(server: Server): Observable<never> {
  return new Observable((subscriber) => {
    server.tryShutdown(() => {
      subscriber.complete();
    });
  });
}
