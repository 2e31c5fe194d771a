import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { SandboxExecutionError, SandboxNotFoundError } from '../../../process/errors/errors.js';
import { SandboxError } from '../../../process/errors/sandbox-error.js';
import type { StdinWrite } from '../../../process/stdin.js';
import type {
  WriteStdinRequest,
  WriteStdinResponse,
} from '../../../wire/generated/sandboxrx/v1/runs.js';
import { Queue } from '../../../process/queue.js';
import { lostBy } from '../call-outcome.js';
import { writeStdin } from '../methods.js';
import { withRetryBudget } from '../polling.js';
import type { RpcStream, RpcTransport } from '../rpc-transport.js';
import { isBreak } from './attached-run.js';

/** Whose input it is. */
export interface StdinTarget {
  readonly sandboxId: string;
  readonly runId: string;
  readonly writerId: string;
  readonly epoch: string;
}

/** In pieces that every server takes. */
const pieceBytes = 65_536;

/** Input that the process has not taken yet. */
interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
  /** After the last piece of a write. */
  readonly accepted: (() => void) | undefined;
}

/**
 * Writes to a run by offset: what the process has not taken is kept, and sent again after a break. Completes when nobody
 * reads any more; unsubscribing stops writing and is no end of the input.
 */
export function stdinUpload(
  transport: RpcTransport,
  { target, stdin$ }: { readonly target: StdinTarget; readonly stdin$: Observable<StdinWrite> },
  retryBudgetMs: number,
): Observable<never> {
  return new Observable((subscriber) => {
    const upload = new StdinUpload(transport, target);
    subscriber.add(upload.read(stdin$));
    const isRepeated = (error: SandboxError): boolean => isBreak(error);
    subscriber.add(
      withRetryBudget(upload.call$, retryBudgetMs, isRepeated).subscribe({
        error: (error: unknown) => {
          // Another writer has it, or the run is over, which who observes it is told.
          const isRefused = error instanceof SandboxExecutionError;
          if (isRefused || error instanceof SandboxNotFoundError) subscriber.complete();
          else subscriber.error(isLost(error) ? lostBy(error, 'the run', idsOf(target)) : error);
        },
        complete: () => {
          subscriber.complete();
        },
      }),
    );
  });
}

/** The server could not be reached any more. */
function isLost(error: unknown): error is SandboxError {
  if (!(error instanceof SandboxError)) return false;
  return error.code === 'ERR_BACKEND_UNAVAILABLE' || isBreak(error);
}

function idsOf({ sandboxId, runId }: StdinTarget): Pick<StdinTarget, 'sandboxId' | 'runId'> {
  return { sandboxId, runId };
}

class StdinUpload {
  /** One call after another; tells each answer. */
  readonly call$: Observable<'answered'>;
  readonly #pieces: Queue<Piece> = new Queue();
  /** Of all that was written. */
  #bytes = 0;
  #hasEnded = false;
  /** The call that takes data now. */
  #stream: RpcStream<WriteStdinRequest> | undefined;

  constructor(transport: RpcTransport, target: StdinTarget) {
    this.call$ = new Observable((told) => this.#open(transport, target, told));
  }

  read(stdin$: Observable<StdinWrite>): Subscription {
    const end = (): void => {
      this.#hasEnded = true;
      this.#sendEnd();
    };
    return stdin$.subscribe({
      next: (write) => {
        this.#add(write);
      },
      error: end,
      complete: end,
    });
  }

  #open(transport: RpcTransport, target: StdinTarget, told: Subscriber<'answered'>): () => void {
    const { sandboxId, runId } = target;
    let isOver = false;
    const stream = transport.open(
      writeStdin,
      {
        opened: () => undefined,
        message: (answer) => {
          if (!isOver) this.#answered(stream, answer, told);
        },
        end: () => {
          told.complete();
        },
        error: (error) => {
          told.error(error);
        },
      },
      { subject: { sandboxId, runId } },
    );
    stream.send({ message: { $case: 'open', value: { ...target, takeOver: false } } });
    return () => {
      isOver = true;
      this.#stream = undefined;
      stream.cancel();
    };
  }

  #answered(
    stream: RpcStream<WriteStdinRequest>,
    { received, accepted, over }: WriteStdinResponse,
    told: Subscriber<'answered'>,
  ): void {
    told.next('answered');
    if (this.#stream !== stream) this.#sendFrom(stream, Number(received));
    this.#accepted(Number(accepted));
    if (over) told.complete();
  }

  #add(write: StdinWrite): void {
    const { data } = write;
    const accepted = (): void => {
      write.accepted();
    };
    if (data.length === 0) accepted();
    for (let at = 0; at < data.length; at += pieceBytes) {
      const end = Math.min(at + pieceBytes, data.length);
      const piece = {
        offset: this.#bytes,
        data: data.subarray(at, end),
        accepted: end === data.length ? accepted : undefined,
      };
      this.#bytes += piece.data.length;
      this.#pieces.push(piece);
      if (this.#stream !== undefined) send(this.#stream, piece);
    }
  }

  /** The first answer of a call says what is there already. */
  #sendFrom(stream: RpcStream<WriteStdinRequest>, received: number): void {
    this.#stream = stream;
    for (let index = 0; index < this.#pieces.length; index++) {
      const piece = this.#pieces.at(index);
      if (piece !== undefined && endOf(piece) > received) send(stream, piece);
    }
    if (this.#hasEnded) this.#sendEnd();
  }

  #sendEnd(): void {
    this.#stream?.send({ message: { $case: 'end', value: BigInt(this.#bytes) } });
  }

  #accepted(bytes: number): void {
    for (let first = this.#pieces.at(0); first !== undefined; first = this.#pieces.at(0)) {
      if (endOf(first) > bytes) return;
      this.#pieces.shift();
      first.accepted?.();
    }
  }
}

function send(stream: RpcStream<WriteStdinRequest>, { offset, data }: Piece): void {
  const value = { offset: BigInt(offset), data };
  stream.send({ message: { $case: 'data', value } });
}

function endOf({ offset, data }: Piece): number {
  return offset + data.length;
}
