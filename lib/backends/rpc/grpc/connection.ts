import {
  Channel,
  credentials,
  Metadata,
  status as GrpcStatus,
  type ChannelCredentials,
  type ChannelOptions,
} from '@grpc/grpc-js';
import { LinkedList } from '../../../process/linked-list.js';
import { maxMessageBytes } from '../../../wire/codec.js';
import { pemsOf, type GrpcTls } from '../node/tls.js';

/** A call as the channel makes it: messages are bytes, and each is asked for. */
export type Call = ReturnType<Channel['createCall']>;

/** Where a connection goes, and how. */
export interface ConnectionTarget {
  /** As gRPC names it: `host:port`. */
  readonly address: string;
  /** Left out: without TLS. */
  readonly tls?: GrpcTls;
  /** Bytes that a stream may be sent before they are read. */
  readonly windowBytes: number;
  /** How long a connection may take to come about. */
  readonly connectTimeoutMs: number;
  /** From one ping to the next while calls go on, in milliseconds. */
  readonly keepaliveMs: number;
  /** How long a ping may stay unanswered. */
  readonly keepaliveTimeoutMs: number;
}

/** A call that goes on until `over` is called. */
interface OpenCall {
  readonly call: Call;
  /** Whether the server may have got it. */
  readonly wasSent: () => boolean;
  readonly over: () => void;
}

/** What credentials add to a call that are there for another reason. */
const nothing = new Metadata();

/**
 * The connection of a transport, made when it is needed and again when it has broken.
 *
 * grpc-js waits for ever for a server that takes a connection and then says nothing, and all calls with it. Here that
 * is given up after a time, and the next call makes another one.
 */
export class Connection {
  readonly #target: ConnectionTarget;
  readonly #calls: LinkedList<Call> = new LinkedList();
  #channel: Channel;

  constructor(target: ConnectionTarget) {
    this.#target = target;
    this.#channel = channelTo(target);
  }

  /** @throws Error after `close()` */
  open(path: string, deadline: number): OpenCall {
    const channel = this.#channel;
    const call = channel.createCall(path, deadline, null, null, null);
    const waiting = setTimeout(() => {
      this.#giveUp(channel, call);
    }, this.#target.connectTimeoutMs);
    let isOnItsWay = false;
    // Asked for as soon as the call has a connection, just before it is sent; nothing else tells of that before the answer.
    const sending = credentials.createFromMetadataGenerator((_, add) => {
      isOnItsWay = true;
      clearTimeout(waiting);
      add(null, nothing);
    });
    call.setCredentials(sending);
    const wasSent = (): boolean => isOnItsWay;
    const link = this.#calls.push(call);
    const over = (): void => {
      clearTimeout(waiting);
      this.#calls.delete(link);
    };
    return { call, wasSent, over };
  }

  close(): void {
    this.#channel.close();
    // The channel lets go of its connection only when its calls have ended by themselves.
    for (const call of this.#calls.items())
      call.cancelWithStatus(GrpcStatus.UNAVAILABLE, 'the connection was closed here');
  }

  #giveUp(channel: Channel, call: Call): void {
    const { connectTimeoutMs } = this.#target;
    if (channel === this.#channel) this.#channel = channelTo(this.#target);
    const text = `no connection came about within ${connectTimeoutMs} ms`;
    call.cancelWithStatus(GrpcStatus.UNAVAILABLE, text);
    // The others that wait for it fail with it.
    channel.close();
  }
}

function channelTo(target: ConnectionTarget): Channel {
  const options: ChannelOptions = {
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_receive_message_length': maxMessageBytes,
    // A repeated call would run a command twice; what may be repeated is repeated above.
    'grpc.enable_retries': 0,
    // Else a new channel would wait for the connection that was given up.
    'grpc.use_local_subchannel_pool': 1,
    'grpc-node.flow_control_window': target.windowBytes,
    'grpc.keepalive_time_ms': target.keepaliveMs,
    'grpc.keepalive_timeout_ms': target.keepaliveTimeoutMs,
  };
  return new Channel(target.address, credentialsOf(target.tls), options);
}

function credentialsOf(tls: GrpcTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, key, cert } = pemsOf(tls);
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}
