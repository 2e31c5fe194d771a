import { Observable, Subscription, timer, type Subscriber } from 'rxjs';
import { ConnectionLostError } from '../../process/errors/errors.js';
import type { SandboxError } from '../../process/errors/sandbox-error.js';
import type { ExitEvent, ProcessEvent } from '../../process/process-event.js';
import type { StdinWrite } from '../../process/stdin.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import { errorOfFrame, execOpeningOf } from '../../wire/exec-frames.js';
import { Extension } from '../../wire/extension.js';
import {
  ExecStreamOutput_Stream,
  type ExecStreamError,
  type ExecStreamOutput,
  type ExecStreamRequest,
  type ExecStreamResponse,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunOptions } from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { endProcess, streamExec } from './methods.js';
import { endDetailsOf, isUncertain, lostBy } from './call-outcome.js';
import { endTimeoutMs } from './runs/run-calls.js';
import type { RpcMetadata, RpcStream, RpcTransport, StreamObserver } from './rpc-transport.js';

/** A run over StreamExec: cold; unsubscribing ends it on the server. */
export function execCall(transport: RpcTransport, request: ExecRequest): Observable<ProcessEvent> {
  return new Observable((subscriber) => {
    const call = new ExecCall(transport, request, subscriber);
    return () => {
      call.leave();
    };
  });
}

class ExecCall implements StreamObserver<ExecStreamResponse> {
  readonly #transport: RpcTransport;
  readonly #request: ExecRequest;
  readonly #subscriber: Subscriber<ProcessEvent>;
  readonly #stream: RpcStream<ExecStreamRequest>;
  readonly #inputs = new Subscription();
  readonly #offsets = { stdout: 0, stderr: 0 };
  /** Whether the server is a host of ours; not known before it has answered. */
  #isOurs: boolean | undefined;
  #isReady = false;
  #exit: ExitEvent | undefined;
  #failure: ExecStreamError | undefined;
  /** The run has ended on the server, or what becomes of it is no longer known here. */
  #over = false;
  /** The subscriber has gone. */
  #isLeft = false;
  /** Waits for the server's first answer, once the subscriber has gone. */
  #opening: Subscription | undefined;
  #closed = false;

  constructor(transport: RpcTransport, request: ExecRequest, subscriber: Subscriber<ProcessEvent>) {
    this.#transport = transport;
    this.#request = request;
    this.#subscriber = subscriber;
    const { init, options } = execOpeningOf(request);
    const { sandboxId, id: runId } = request;
    this.#stream = transport.open(streamExec, this, {
      metadata: { [Extension.run]: RunOptions.encode(options).finish() },
      subject: { sandboxId, runId },
    });
    this.#stream.send({ message: { $case: 'init', value: init } });
    this.#connectInputs();
  }

  opened(metadata: RpcMetadata): void {
    this.#isOurs = Extension.mark in metadata;
    if (this.#isLeft) {
      this.#opening?.unsubscribe();
      this.#end();
    }
  }

  message({ message }: ExecStreamResponse): void {
    switch (message?.$case) {
      case 'ready':
        this.#ready();
        break;
      case 'output':
        this.#output(message.value);
        break;
      case 'exit':
        this.#ready();
        this.#exit = { type: 'exit', returncode: message.value.exitCode };
        this.#finished();
        break;
      case 'error':
        this.#failure = message.value;
        this.#finished();
        break;
      case undefined:
    }
  }

  end(trailers: RpcMetadata): void {
    this.#over = true;
    const exit = this.#exit;
    if (this.#failure !== undefined) {
      this.#fail(errorOfFrame(this.#failure, this.#ids(), trailers[Extension.failure]));
    } else if (exit === undefined) {
      const text = 'the stream ended without an exit status; the outcome of the run is not known';
      this.#fail(new ConnectionLostError(text, this.#ids()));
    } else {
      this.#settle();
      this.#subscriber.next({ ...exit, ...endDetailsOf(trailers[Extension.end]) });
      this.#subscriber.complete();
    }
  }

  error(error: SandboxError, wasSent: boolean): void {
    this.#over = true;
    if (this.#exit !== undefined || this.#failure !== undefined) {
      // It was told how the run ended: whatever comes after that takes nothing from it.
      this.end({});
    } else if (wasSent && isUncertain(error, this.#isOurs)) {
      this.#fail(lostBy(error, 'the run', this.#ids()));
    } else {
      this.#fail(error);
    }
  }

  /** A host of ours has more to say at the end of the stream; another one may keep it open until we close it. */
  #finished(): void {
    if (this.#isOurs !== true) this.end({});
  }

  /** The subscriber has gone, or has been told the end. */
  leave(): void {
    this.#isLeft = true;
    this.#inputs.unsubscribe();
    if (this.#over) {
      this.#giveUp();
    } else if (this.#isOurs === undefined) {
      // The server may be starting it right now.
      this.#opening = timer(endTimeoutMs(this.#request)).subscribe({
        next: () => {
          this.#giveUp();
        },
        error: ignore,
      });
    } else {
      this.#end();
    }
  }

  #connectInputs(): void {
    const { paused$ } = this.#request;
    const fail = (error: unknown): void => {
      this.#fail(error);
    };
    this.#inputs.add(
      paused$.subscribe({
        next: (paused) => {
          this.#stream.pause(paused);
        },
        error: fail,
      }),
    );
    const { stdin$, tty } = this.#request;
    // A terminal may still be given a new size.
    if (stdin$ === undefined && tty === undefined) this.#stream.halfClose();
  }

  /** The process runs: only now may its input be sent. */
  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#request.lifecycle.started();
    if (this.#isLeft || this.#subscriber.closed) return;
    const { stdin$, size$, tty } = this.#request;
    if (stdin$ !== undefined) {
      this.#inputs.add(
        stdin$.subscribe({
          next: (write) => {
            this.#sendInput(write);
          },
          error: () => {
            this.#endInput();
          },
          complete: () => {
            this.#endInput();
          },
        }),
      );
    }
    if (tty === undefined) return;
    if (stdin$ === undefined) this.#endInput();
    const resize = ({ cols: width, rows: height }: { cols: number; rows: number }): void => {
      this.#stream.send({ message: { $case: 'resize', value: { width, height } } });
    };
    this.#inputs.add(size$.subscribe({ next: resize, error: ignore }));
  }

  #endInput(): void {
    this.#stream.send({ message: { $case: 'close', value: {} } });
    if (this.#request.tty === undefined) this.#stream.halfClose();
  }

  /** In pieces that every server takes; `accepted` is for the last of them. */
  #sendInput(write: StdinWrite): void {
    const { data } = write;
    const accepted = (): void => {
      write.accepted();
    };
    const last = Math.max(0, Math.ceil(data.length / inputBytes) - 1);
    for (let piece = 0; piece <= last; piece++) {
      const value = data.subarray(piece * inputBytes, (piece + 1) * inputBytes);
      const message = { $case: 'stdin', value } as const;
      this.#stream.send({ message }, piece === last ? accepted : undefined);
    }
  }

  #output({ stream, data }: ExecStreamOutput): void {
    this.#ready();
    const type = stream === ExecStreamOutput_Stream.STREAM_STDERR ? 'stderr' : 'stdout';
    const offset = this.#offsets[type];
    this.#offsets[type] += data.length;
    this.#subscriber.next({ type, data, offset });
  }

  #ids(): Readonly<Record<'sandboxId' | 'runId', string>> {
    return { sandboxId: this.#request.sandboxId, runId: this.#request.id };
  }

  #fail(error: unknown): void {
    this.#settle();
    this.#subscriber.error(error);
  }

  /** Its end is known: nobody writes any more. */
  #settle(): void {
    this.#inputs.unsubscribe();
    if (this.#isLeft) this.#close();
  }

  /** Ends the run on the server. A host of ours says when nothing of it is left; another one is only told. */
  #end(): void {
    if (this.#over) return;
    if (this.#isOurs === false) {
      this.#giveUp();
      return;
    }
    // What it still writes must not keep it.
    this.#stream.pause(false);
    const { sandboxId, id: runId } = this.#request;
    const timeoutMs = endTimeoutMs(this.#request);
    const giveUp = (): void => {
      this.#giveUp();
    };
    this.#transport
      .call(endProcess, { sandboxId, runId }, { timeoutMs })
      .subscribe({ complete: giveUp, error: giveUp });
  }

  #giveUp(): void {
    this.#stream.cancel();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#opening?.unsubscribe();
    this.#request.lifecycle.closed();
  }
}

/** As the clients of CoreWeave cut their input. */
const inputBytes = 65_536;

function ignore(): void {
  // The run has its own end.
}
