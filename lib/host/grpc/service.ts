import { decodeExactly, type Codec } from '../../wire/codec.js';
import {
  Metadata,
  status as GrpcStatus,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type StatusObject,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { from, type ObservableInput, type Subscription } from 'rxjs';
import { errorToStatus } from '../../wire/error-to-status.js';
import { Extension, extensionVersion } from '../../wire/extension.js';
import { statusDetailsKey } from '../../wire/grpc-code.js';
import type { CallContext, CallMetadata, HostStream, StreamListener } from '../call.js';
import { callerOf } from './callers.js';

/** How a call begins. */
interface Opened<Request> {
  readonly name: string;
  readonly requestType: Codec<Request>;
}

/** A call of a generated service description. */
interface Method<Request, Response> extends Opened<Request> {
  readonly responseType: Codec<Response>;
}

/** A call that a server answers. */
export interface ServedMethod {
  readonly path: string;
  readonly definition: ServiceDefinition[string];
  readonly handle: UntypedHandleCall;
}

/** A call with one request and one answer: the last value of what `answer` gives. */
export function unary<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  answer: (request: Request, context: CallContext) => ObservableInput<Response>,
): ServedMethod {
  const handle: handleUnaryCall<Request, Response> = (call, callback) => {
    marked(call);
    const { context, run } = contextOf(call);
    let last: Response | undefined;
    run(() =>
      from(answer(call.request, context)).subscribe({
        next: (response) => (last = response),
        error: (error: unknown) => {
          callback(statusOf(error));
        },
        complete: () => {
          if (last === undefined) callback(statusOf(new Error('no answer')));
          else callback(null, last);
        },
      }),
    );
  };
  const serialize = (response: Response): Uint8Array =>
    method.responseType.encode(response).finish();
  const kind = { handle, requestStream: false, responseStream: false };
  return served(service, { ...method, serialize }, kind);
}

/** A call with one request and a stream of answers. */
export function serverStreaming<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  answer: (request: Request, stream: HostStream<never, Response>) => void,
): ServedMethod {
  const handle: handleServerStreamingCall<Request, Uint8Array> = (call) => {
    marked(call);
    answer(call.request, new GrpcHostStream<never, Response>(call, method));
  };
  return served(service, encoded(method), { handle, requestStream: false, responseStream: true });
}

/** A call with streams both ways. */
export function bidirectional<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  answer: (stream: HostStream<Request, Response>) => void,
): ServedMethod {
  const handle: handleBidiStreamingCall<Request, Uint8Array> = (call) => {
    marked(call);
    answer(new GrpcHostStream<Request, Response>(call, method));
  };
  return served(service, encoded(method), { handle, requestStream: true, responseStream: true });
}

function served<Request, Answer>(
  service: { readonly fullName: string },
  { name, requestType, serialize }: ServedCall<Request, Answer>,
  kind: {
    readonly handle: UntypedHandleCall;
    readonly requestStream: boolean;
    readonly responseStream: boolean;
  },
): ServedMethod {
  const path = `/${service.fullName}/${name}`;
  const { handle, ...streams } = kind;
  const definition: MethodDefinition<Request, Answer> = {
    ...{ path, ...streams, originalName: name },
    requestSerialize: (request) => bufferOf(requestType.encode(request).finish()),
    requestDeserialize: (bytes) => decodeExactly(requestType, bytes),
    responseSerialize: (answer) => bufferOf(serialize(answer)),
    responseDeserialize: () => {
      throw new Error('a server reads no answers');
    },
  };
  return { path, definition, handle };
}

/** A call, and how its answers get on the wire. */
interface ServedCall<Request, Answer> extends Opened<Request> {
  readonly serialize: (answer: Answer) => Uint8Array;
}

/** The answers of a stream are encoded before they are written: that is how what waits is known in bytes. */
function encoded<Request>({ name, requestType }: Opened<Request>): ServedCall<Request, Uint8Array> {
  return { name, requestType, serialize: (bytes) => bytes };
}

/** Answers at once with what tells a client of ours that this is a host of ours. */
function marked(call: { sendMetadata(metadata: Metadata): void }): void {
  const metadata = new Metadata();
  metadata.set(Extension.mark, extensionVersion);
  call.sendMetadata(metadata);
}

/** The context of a unary call, which ends what it started when the caller goes. */
function contextOf<Request, Response>(
  call: ServerUnaryCall<Request, Response>,
): { readonly context: CallContext; readonly run: (start: () => Subscription) => void } {
  const gone = new AbortController();
  call.once('cancelled', () => {
    gone.abort();
  });
  const context = {
    metadata: plain(call.metadata),
    ...callerOf(call.metadata),
    signal: gone.signal,
  };
  return {
    context,
    run: (start) => {
      const running = start();
      if (gone.signal.aborted) running.unsubscribe();
      gone.signal.addEventListener('abort', () => {
        running.unsubscribe();
      });
    },
  };
}

/** A call whose answers are encoded before they are written. */
type StreamCall<Request> =
  ServerDuplexStream<Request, Uint8Array> | ServerWritableStream<unknown, Uint8Array>;

/** A caller is behind when so much waits for it. */
const aheadBytes = 65_536;

class GrpcHostStream<Request, Response> implements HostStream<Request, Response> {
  readonly metadata: CallMetadata;
  readonly caller: string | undefined;
  readonly #call: StreamCall<Request>;
  readonly #encode: (message: Response) => Uint8Array;
  #over = false;
  /** What the connection has not taken yet. The call itself counts messages, of whatever size. */
  #unsentBytes = 0;
  #whenDrained: (() => void) | undefined;

  constructor(
    call: StreamCall<Request>,
    { responseType }: Pick<Method<Request, Response>, 'responseType'>,
  ) {
    this.#call = call;
    this.#encode = (message) => responseType.encode(message).finish();
    this.metadata = plain(call.metadata);
    this.caller = callerOf(call.metadata).caller;
  }

  listen(listener: StreamListener<Request>): void {
    const call = this.#call;
    call.once('cancelled', () => {
      if (this.#over) return;
      this.#over = true;
      listener.cancelled();
    });
    call.on('error', ignore);
    if (!('read' in call)) return;
    call.on('data', (request: Request) => {
      if (!this.#over) listener.message(request);
    });
    call.once('end', () => {
      if (!this.#over) listener.halfClosed();
    });
  }

  pause(paused: boolean): void {
    const call = this.#call;
    if (!('read' in call)) return;
    if (paused) call.pause();
    else call.resume();
  }

  send(message: Response): boolean {
    return this.sendEncoded(this.#encode(message));
  }

  sendEncoded(message: Uint8Array): boolean {
    if (this.#over) return true;
    const { length } = message;
    this.#unsentBytes += length;
    this.#call.write(message, () => {
      this.#unsentBytes -= length;
      if (this.#unsentBytes < aheadBytes) this.#drained();
    });
    return this.#unsentBytes < aheadBytes;
  }

  whenDrained(callback: () => void): void {
    this.#whenDrained = callback;
  }

  #drained(): void {
    const callback = this.#whenDrained;
    this.#whenDrained = undefined;
    callback?.();
  }

  end(trailers: CallMetadata = {}): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.end(metadataOf(trailers));
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.emit('error', statusOf(error));
  }
}

const codes: ReadonlyMap<number, GrpcStatus> = new Map(
  Object.values(GrpcStatus)
    .filter((code) => typeof code === 'number')
    .map((code): [number, GrpcStatus] => [code, code]),
);

/** The status of a failed call, as the server takes it. */
export function statusOf(error: unknown): StatusObject {
  const { code, message, details } = errorToStatus(error);
  const metadata = new Metadata();
  metadata.set(statusDetailsKey, bufferOf(details));
  return { code: codes.get(code) ?? GrpcStatus.UNKNOWN, details: message, metadata };
}

function metadataOf(entries: CallMetadata): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries))
    metadata.set(key, typeof value === 'string' ? value : bufferOf(value));
  return metadata;
}

function plain(metadata: Metadata): CallMetadata {
  return metadata.getMap();
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function ignore(): void {
  // The call is over: 'cancelled' has told it, or we have ended it.
}
