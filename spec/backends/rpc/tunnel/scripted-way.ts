import { Subject } from 'rxjs';
import type { CallStatus } from '../../../../lib/wire/grpc-code.js';
import type { OpenCall } from '../../../../lib/wire/tunnel/client-call.js';
import type { TunnelLimits } from '../../../../lib/wire/tunnel/limits.js';
import { TunnelServer } from '../../../../lib/wire/tunnel/tunnel-server.js';
import type { ConnectionStatus } from '../../../../lib/backends/rpc/tunnel/connection-status.js';
import { Connector } from '../../../../lib/backends/rpc/tunnel/connector.js';
import type { DialObserver } from '../../../../lib/backends/rpc/tunnel/dial.js';
import { ok, text, Time } from '../../../wire/tunnel/pair.js';
import { Line } from '../../../wire/tunnel/line.js';

/** One attempt to connect, with which the test does what it likes. */
export class Attempt {
  readonly atMs: number;
  isAbandoned = false;
  readonly #observer: DialObserver;

  constructor(atMs: number, observer: DialObserver) {
    this.atMs = atMs;
    this.#observer = observer;
  }

  succeed(line: Line, server: TunnelServer, serve: Parameters<TunnelServer['accept']>[1]): void {
    const accepted = server.accept(line.server, serve);
    line.join(this.#observer.opened(line.client), accepted);
  }

  fail(why: CallStatus): void {
    this.#observer.failed(why);
  }
}

/** A call as whoever made it sees it. */
export class Seen {
  call: OpenCall | undefined;
  readonly told: string[] = [];
}

export const unavailable: CallStatus = { code: 14, message: 'nobody is there' };

/** A connector on virtual time, a server that echoes what is said to all methods but `/s/quiet`, and a way between them that the test makes. */
export class ScriptedWay {
  readonly time: Time = new Time();
  readonly attempts: Attempt[] = [];
  readonly statuses: ConnectionStatus[] = [];
  readonly connector: Connector;
  /** What servers were told, in their words. */
  readonly served: string[] = [];
  server: TunnelServer;
  line: Line | undefined;
  /** What becomes of each attempt. */
  onAttempt: (attempt: Attempt) => void = (attempt) => this.connect(attempt);
  /** What is thrown in place of an attempt. */
  refusal: Error | undefined;
  readonly #limits: Partial<TunnelLimits>;
  readonly #comebacks$: Subject<'online' | 'visible'> = new Subject();

  constructor({
    limits = {},
    random = 1,
  }: { limits?: Partial<TunnelLimits>; random?: number } = {}) {
    this.#limits = limits;
    this.server = this.newServer();
    const { scheduler, defer } = this.time;
    this.connector = new Connector({
      ...{ scheduler, defer, connectScheduler: scheduler, connectTimeoutMs: 20_000, limits },
      random: () => random,
      comebacks$: this.#comebacks$,
      dial: (observer) => {
        if (this.refusal !== undefined) throw this.refusal;
        const attempt = new Attempt(scheduler.now(), observer);
        this.attempts.push(attempt);
        scheduler.schedule(() => {
          if (!attempt.isAbandoned) this.onAttempt(attempt);
        }, 1);
        return () => {
          attempt.isAbandoned = true;
        };
      },
    });
    this.connector.status$.subscribe((status) => this.statuses.push(status));
  }

  get states(): string[] {
    return this.statuses.map(({ state, attempt }) => (attempt > 0 ? `${state} ${attempt}` : state));
  }

  get now(): number {
    return this.time.scheduler.now();
  }

  comeBack(why: 'online' | 'visible'): void {
    this.#comebacks$.next(why);
  }

  /** One that knows nothing of those before. */
  newServer(): TunnelServer {
    const { scheduler, defer } = this.time;
    return new TunnelServer({ limits: this.#limits, scheduler, defer });
  }

  connect(attempt: Attempt, server: TunnelServer = this.server): void {
    const line = new Line(this.time.scheduler);
    this.line = line;
    attempt.succeed(line, server, {
      name: 'somebody',
      serve: (call, { method }) => {
        call.headers({});
        return {
          message: (parts) => {
            this.served.push(`${method} ${Buffer.concat(parts).toString()}`);
            if (method !== '/s/quiet') call.send(parts);
          },
          halfClosed: () => {
            call.end(ok);
          },
          gone: (reason) => this.served.push(`${method} gone: ${reason}`),
        };
      },
    });
  }

  open(method = '/s/m', whenLost: () => void = () => undefined): Seen {
    const seen = new Seen();
    seen.call = this.connector.open(
      { method, metadata: {} },
      {
        opened: () => undefined,
        message: (parts) => seen.told.push(Buffer.concat(parts).toString()),
        end: ({ code }) => seen.told.push(`end ${code}`),
        lost: ({ code, message }, wasSent) => {
          seen.told.push(`${wasSent ? 'lost' : 'never sent'} ${code} ${message}`);
          whenLost();
        },
      },
    );
    return seen;
  }

  /** A call that has said `hello`, and been answered. */
  talking(): Seen {
    const seen = this.open();
    this.say(seen, 'hello');
    return seen;
  }

  say(seen: Seen, word: string): void {
    seen.call?.send(text(word));
    this.time.pass(50);
  }
}
