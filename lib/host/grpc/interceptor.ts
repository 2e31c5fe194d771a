import {
  ServerInterceptingCall,
  status as GrpcStatus,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { UnsupportedError } from '../../process/errors/errors.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { statusDetailsKey } from '../../wire/grpc-code.js';
import type { Calls, OpenCall } from '../calls/calls.js';
import { badField } from '../bad-field.js';
import { exhausted } from '../limits.js';
import { noteCaller } from './callers.js';
import { tellEnded } from './endings.js';
import { statusOf } from './metadata.js';

type InterceptedCall = Parameters<ServerInterceptor>[1];
type CallEnd = Parameters<InterceptedCall['sendStatus']>[0];

/** Shows the calls of gRPC to {@link Calls}: each when it begins, and when it is over. */
export function interceptorOf(calls: Calls): ServerInterceptor {
  return (method, call) => {
    let open: OpenCall | undefined;
    let received: Metadata | undefined;
    const ended = (code: number, details?: Uint8Array): void => {
      if (open !== undefined) calls.end(open, { code, details });
    };
    const send = call.sendStatus.bind(call);
    // Not by a responder, which does not see what the server itself refuses: a message that is too large.
    call.sendStatus = (end) => {
      const told = withDetails(end);
      ended(told.code, detailsOf(told));
      send(told);
      if (received !== undefined) tellEnded(received);
    };
    const letIn = (metadata: Metadata): void => {
      open = calls.begin({
        path: method.path,
        isStream: method.responseStream,
        authorization: metadata.get('authorization')[0]?.toString(),
        fail: (error) => {
          call.sendStatus(statusOf(error));
        },
      });
      noteCaller(metadata, open);
      received = metadata;
    };
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, proceed) => {
            try {
              letIn(metadata);
            } catch (error) {
              call.sendStatus(statusOf(error));
              return;
            }
            proceed(metadata);
          },
          onReceiveHalfClose: (proceed) => {
            // grpc-js takes a connection that has gone for an end of the input, and only then, when it is asked for more,
            // finds that the call is cancelled, which it says a turn later: a process must not take half for all.
            call.startRead();
            process.nextTick(proceed);
          },
          onCancel: () => {
            ended(GrpcStatus.CANCELLED);
          },
        });
      },
    });
  };
}

/** The server's own refusals say why like ours. */
function withDetails(end: CallEnd): CallEnd {
  const refused = detailsOf(end) === undefined ? ownRefusals[end.code]?.(end.details) : undefined;
  return refused === undefined ? end : statusOf(refused);
}

/** What the server says of a request that it cannot read. Any other INTERNAL is a fault of this host. */
const unreadable = /^(Error deserializing request|Invalid grpc-timeout|Failed to decompress)/;

const ownRefusals: Readonly<Record<number, (said: string) => SandboxError | undefined>> = {
  [GrpcStatus.RESOURCE_EXHAUSTED]: (said) => exhausted(said, false),
  [GrpcStatus.DEADLINE_EXCEEDED]: (said) => new SandboxError('ERR_REQUEST_TIMEOUT', said),
  [GrpcStatus.UNIMPLEMENTED]: (said) => new UnsupportedError('request', said),
  [GrpcStatus.INTERNAL]: (said) => (unreadable.test(said) ? badField('request', said) : undefined),
};

function detailsOf({ metadata }: CallEnd): Uint8Array | undefined {
  const value = metadata?.get(statusDetailsKey)[0];
  return value instanceof Uint8Array ? value : undefined;
}
