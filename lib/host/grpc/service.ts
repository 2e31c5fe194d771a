import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { decodeExactly, type Codec } from '../../wire/codec.js';
import { Extension, extensionVersion } from '../../wire/extension.js';
import {
  answerOnce,
  type BidirectionalMethod,
  type MethodSink,
  type ServerStreamingMethod,
  type UnaryMethod,
} from '../served-method.js';
import { callerOf } from './callers.js';
import { GrpcHostStream } from './grpc-stream.js';
import { bufferOf, metadataOf, plain, statusOf } from './metadata.js';
import type { OutgoingMessage } from './outgoing-message.js';

/** A method as grpc-js serves it. */
export interface GrpcMethod {
  readonly path: string;
  readonly definition: ServiceDefinition[string];
  readonly handle: UntypedHandleCall;
}

/** Makes methods such that grpc-js serves them. */
export const grpcSink: MethodSink<GrpcMethod> = {
  unary<Request, Response>(method: UnaryMethod<Request, Response>): GrpcMethod {
    const handle: handleUnaryCall<Request, Response> = (call, callback) => {
      marked(call);
      const gone = new AbortController();
      call.once('cancelled', () => {
        gone.abort();
      });
      const { request, metadata } = call;
      const context = { metadata: plain(metadata), ...callerOf(metadata), signal: gone.signal };
      answerOnce(
        method,
        { request, context },
        {
          answered: (response) => {
            callback(null, response);
          },
          failed: (error) => {
            callback(statusOf(error));
          },
        },
      );
    };
    const serialize = (response: Response): Buffer =>
      bufferOf(method.responseType.encode(response).finish());
    const kind = { handle, requestStream: false, responseStream: false };
    return served({ ...method, serialize }, kind);
  },

  serverStreaming<Request, Response>(method: ServerStreamingMethod<Request, Response>): GrpcMethod {
    const handle: handleServerStreamingCall<Request, OutgoingMessage> = (call) => {
      marked(call);
      method.answer(call.request, new GrpcHostStream<never, Response>(call, method));
    };
    return served(encoded(method), { handle, requestStream: false, responseStream: true });
  },

  bidirectional<Request, Response>(method: BidirectionalMethod<Request, Response>): GrpcMethod {
    const handle: handleBidiStreamingCall<Request, OutgoingMessage> = (call) => {
      marked(call);
      method.answer(new GrpcHostStream<Request, Response>(call, method));
    };
    return served(encoded(method), { handle, requestStream: true, responseStream: true });
  },
};

/** How a call begins. */
interface Opened<Request> {
  readonly name: string;
  readonly path: string;
  readonly requestType: Codec<Request>;
}

/** A call, and how its answers get on the wire. */
interface ServedCall<Request, Answer> extends Opened<Request> {
  readonly serialize: (answer: Answer) => Buffer;
}

function served<Request, Answer>(
  { name, path, requestType, serialize }: ServedCall<Request, Answer>,
  {
    handle,
    ...streams
  }: Pick<GrpcMethod, 'handle'> & {
    readonly requestStream: boolean;
    readonly responseStream: boolean;
  },
): GrpcMethod {
  const definition: MethodDefinition<Request, Answer> = {
    ...{ path, ...streams, originalName: name },
    requestSerialize: (request) => bufferOf(requestType.encode(request).finish()),
    requestDeserialize: (bytes) => decodeExactly(requestType, bytes),
    responseSerialize: serialize,
    responseDeserialize: () => {
      throw new Error('a server reads no answers');
    },
  };
  return { path, definition, handle };
}

/** The answers of a stream are encoded before they are written: that is how what waits is known in bytes. */
function encoded<Request>(method: Opened<Request>): ServedCall<Request, OutgoingMessage> {
  const { name, path, requestType } = method;
  return { name, path, requestType, serialize: (message) => message.toBuffer() };
}

/** Answers at once with what tells a client of ours that this is a host of ours. */
function marked(call: { sendMetadata(metadata: Metadata): void }): void {
  call.sendMetadata(metadataOf({ [Extension.mark]: extensionVersion }));
}
