import { VirtualTimeScheduler } from 'rxjs';
import { joined, type Parts } from '../../../lib/process/bytes.js';
import type { CallEnd } from '../../../lib/wire/tunnel/call.js';
import type { CallOpening, OpenCall } from '../../../lib/wire/tunnel/client-call.js';
import { ClientTunnel } from '../../../lib/wire/tunnel/client-tunnel.js';
import type { Clock } from '../../../lib/wire/tunnel/clock.js';
import type { TunnelLimits } from '../../../lib/wire/tunnel/limits.js';
import type { ServedCall } from '../../../lib/wire/tunnel/server-call.js';
import { TunnelServer } from '../../../lib/wire/tunnel/tunnel-server.js';
import { bytes } from '../../support/bytes.js';
import { Line } from './line.js';

/** Time that goes on only when told to. */
export class Time implements Clock {
  readonly scheduler: VirtualTimeScheduler = new VirtualTimeScheduler();
  readonly defer = (work: () => void): void => {
    this.scheduler.schedule(work);
  };

  pass(ms: number): void {
    const end = this.scheduler.frame + ms;
    this.scheduler.maxFrames = end;
    this.scheduler.flush();
    this.scheduler.frame = end;
  }
}

/** A call as its client sees it. */
export class Seen {
  readonly call: OpenCall;
  readonly told: string[] = [];
  readonly messages: Uint8Array[] = [];
  /** The parts of the last message, as they came. */
  parts: Parts = [];
  end: CallEnd | undefined;
  onMessage: (message: Uint8Array) => void = () => undefined;

  constructor(tunnel: ClientTunnel, opening: CallOpening) {
    this.call = tunnel.open(opening, {
      opened: (metadata) => this.told.push(`opened ${JSON.stringify(metadata)}`),
      message: (parts) => {
        const message = joined(parts);
        this.parts = parts;
        this.messages.push(message);
        this.told.push(`message of ${message.length}`);
        this.onMessage(message);
      },
      end: (end) => {
        this.end = end;
        this.told.push(`end ${end.code}`);
      },
      lost: (reason, wasSent) =>
        this.told.push(`lost ${reason}, ${wasSent ? 'was sent' : 'never sent'}`),
    });
  }
}

/** A call as its server sees it. */
export class Served {
  readonly call: ServedCall;
  readonly opening: CallOpening;
  readonly told: string[] = [];
  readonly messages: Uint8Array[] = [];
  onMessage: (message: Uint8Array) => void = () => undefined;
  onHalfClosed: () => void = () => undefined;

  constructor(call: ServedCall, opening: CallOpening) {
    this.call = call;
    this.opening = opening;
  }
}

/** What a pair is made of. */
export interface PairOptions {
  readonly limits?: Partial<TunnelLimits>;
  readonly serverLimits?: Partial<TunnelLimits>;
}

/** A client and a server, and the lines between them. */
export class Pair {
  readonly time: Time = new Time();
  readonly told: string[] = [];
  readonly client: ClientTunnel;
  server: TunnelServer;
  readonly served: Served[] = [];
  onCall: (served: Served) => void = () => undefined;
  line: Line;
  readonly #serverLimits: Partial<TunnelLimits>;

  constructor({ limits = {}, serverLimits = limits }: PairOptions = {}) {
    this.#serverLimits = serverLimits;
    this.line = new Line(this.time.scheduler);
    this.server = this.#newServer();
    this.client = new ClientTunnel({
      limits,
      scheduler: this.time.scheduler,
      defer: this.time.defer,
      observer: {
        connected: (resumed) => this.told.push(resumed ? 'resumed' : 'connected'),
        disconnected: (reason) => this.told.push(`disconnected ${reason ?? ''}`.trim()),
        latency: () => undefined,
        draining: () => this.told.push('draining'),
      },
    });
  }

  #newServer(): TunnelServer {
    const { scheduler, defer } = this.time;
    return new TunnelServer({ limits: this.#serverLimits, scheduler, defer });
  }

  /** Another server in its place, which knows nothing. */
  restart(): void {
    this.line.cut();
    this.server = this.#newServer();
  }

  /** A new line. */
  connect(caller = 'somebody'): Line {
    const line = new Line(this.time.scheduler);
    this.line = line;
    const server = this.server.accept(line.server, {
      name: caller,
      serve: (call, opening) => this.#serve(call, opening),
    });
    // The hello is sent from within, before there is an end to come to: it comes later.
    const client = this.client.connected(line.client);
    line.join(client, server);
    return line;
  }

  /** The same, and the greeting is over. */
  ready(): this {
    this.connect();
    this.time.pass(10);
    return this;
  }

  open(opening: Partial<CallOpening> = {}): Seen {
    return new Seen(this.client, { method: '/s/m', metadata: {}, ...opening });
  }

  /** Opens a call, and gives both ends. */
  call(): { readonly seen: Seen; readonly served: Served } {
    const count = this.served.length;
    const seen = this.open();
    this.time.pass(10);
    return { seen, served: this.served[count]! };
  }

  #serve(call: ServedCall, opening: CallOpening) {
    const served = new Served(call, opening);
    this.served.push(served);
    this.onCall(served);
    return {
      message: (parts: Parts) => {
        const message = joined(parts);
        served.messages.push(message);
        served.told.push(`message of ${message.length}`);
        served.onMessage(message);
      },
      halfClosed: () => {
        served.told.push('half-closed');
        served.onHalfClosed();
      },
      gone: (reason: string) => served.told.push(`gone ${reason}`),
    };
  }
}

export const ok: CallEnd = { code: 0, message: '', trailers: {} };

/** Bytes that are no others. */
export function block(length: number, seed = 1): Uint8Array {
  const filled = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) filled[index] = (index * 31 + seed * 17) & 0xff;
  return filled;
}

export const text = (value: string): readonly Uint8Array[] => [bytes(value)];

/** Whether they are the same messages; much quicker than `toEqual`. */
export function same(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return (
    some.length === others.length &&
    some.every((one, index) => Buffer.compare(one, others[index] ?? block(0)) === 0)
  );
}
