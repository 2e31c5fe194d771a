import { asyncScheduler, type Observable, type SchedulerLike } from 'rxjs';
import {
  connectedBackend,
  linkDefaults,
  type ConnectedBackend,
  type ConnectOptions,
} from '../connect-options.js';
import { defaultLimits, type TunnelLimits } from '../../../wire/tunnel/limits.js';
import type { ConnectionStatus } from './connection-status.js';
import { Connector } from './connector.js';
import type { Dial } from './dial.js';
import { comebacks } from './page-events.js';
import { TunnelTransport } from './tunnel-transport.js';

/** A backend over a WebSocket. */
export interface WebSocketBackend extends ConnectedBackend {
  /**
   * How the connection stands: the latest first, then each change; completes with `close()`. It says nothing about runs,
   * which go on while a lost connection comes back.
   */
  readonly connection$: Observable<ConnectionStatus>;
}

/** How a runtime connects. */
export interface TunnelRuntime {
  readonly dial: Dial;
  /** For the heartbeat and what else goes on as long as a connection does. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** The limits of a client's end. What a stream may be sent at first grows where the path is long, up to what is chosen. */
export function tunnelLimits(options: ConnectOptions): Partial<TunnelLimits> {
  const { windowBytes: maxWindowBytes } = linkDefaults(options);
  return { windowBytes: Math.min(defaultLimits.windowBytes, maxWindowBytes), maxWindowBytes };
}

/** A backend whose calls go through a tunnel. */
export function tunnelBackend(
  options: ConnectOptions,
  { dial, scheduler = asyncScheduler }: TunnelRuntime,
): WebSocketBackend {
  const { connectTimeoutMs } = linkDefaults(options);
  const connector = new Connector({
    ...{ dial, connectTimeoutMs, scheduler, connectScheduler: asyncScheduler },
    limits: tunnelLimits(options),
    random: Math.random,
    comebacks$: comebacks(),
  });
  const { metadata = {} } = options;
  const transport = new TunnelTransport({ connector, metadata, scheduler: asyncScheduler });
  return Object.assign(connectedBackend(transport, options), { connection$: connector.status$ });
}
