import { notMade } from '../call-failures.js';
import type { RpcMethod } from '../rpc-method.js';
import {
  type CallOptions,
  type RpcStream,
  RpcTransport,
  type StreamObserver,
} from '../rpc-transport.js';

/** Calls over a transport that is loaded at the first of them; those that are made meanwhile wait for it. */
export class LazyTransport extends RpcTransport {
  override readonly name: string;
  readonly #load: () => Promise<RpcTransport>;
  #loading: Promise<RpcTransport> | undefined;
  #transport: RpcTransport | undefined;
  #isClosed = false;

  constructor(name: string, load: () => Promise<RpcTransport>) {
    super();
    this.name = name;
    this.#load = load;
  }

  override open<Request, Response>(
    method: RpcMethod<Request, Response>,
    observer: StreamObserver<Response>,
    options: CallOptions = {},
  ): RpcStream<Request> {
    if (this.#transport !== undefined) return this.#transport.open(method, observer, options);
    const stream: WaitingStream<Request> = new WaitingStream();
    this.#loading ??= this.#loaded();
    this.#loading.then(
      (transport) => {
        stream.begin(() => transport.open(method, observer, options));
      },
      (cause: unknown) => {
        if (!stream.isCancelled) observer.error(notMade(cause, options.subject), false);
      },
    );
    return stream;
  }

  override close(): void {
    this.#isClosed = true;
    this.#transport?.close();
  }

  async #loaded(): Promise<RpcTransport> {
    const transport = await this.#load();
    this.#transport = transport;
    // It refuses what waits, and what comes.
    if (this.#isClosed) transport.close();
    return transport;
  }
}

/** A stream that is told what to do before it is open. */
class WaitingStream<Request> implements RpcStream<Request> {
  #stream: RpcStream<Request> | undefined;
  #steps: ((stream: RpcStream<Request>) => void)[] = [];
  #isCancelled = false;

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  begin(open: () => RpcStream<Request>): void {
    if (this.#isCancelled) return;
    const stream = open();
    this.#stream = stream;
    for (const step of this.#steps) step(stream);
    this.#steps = [];
  }

  send(message: Request, accepted?: () => void): void {
    this.#do((stream) => {
      stream.send(message, accepted);
    });
  }

  halfClose(): void {
    this.#do((stream) => {
      stream.halfClose();
    });
  }

  pause(paused: boolean): void {
    this.#do((stream) => {
      stream.pause(paused);
    });
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#do((stream) => {
      stream.cancel();
    });
  }

  #do(step: (stream: RpcStream<Request>) => void): void {
    if (this.#stream === undefined) this.#steps.push(step);
    else step(this.#stream);
  }
}
