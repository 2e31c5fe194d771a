import { SandboxExecutionError } from '../../process/errors/errors.js';
import type {
  StdinData,
  StdinOpening,
  WriteStdinRequest,
  WriteStdinResponse,
} from '../../wire/generated/sandboxrx/v1/runs.js';
import { badField, checkId } from '../bad-field.js';
import type { HostStream, StreamListener } from '../call.js';
import type { StdinBuffer, StdinSender } from '../stdin-buffer.js';
import type { HeldRun } from './held-run.js';
import { noSuchRun, type RunIds, type RunService } from './run-service.js';

type Stream = HostStream<WriteStdinRequest, WriteStdinResponse>;

/** One WriteStdin: somebody who writes to a run, until the call ends. The input itself goes on after it. */
export class StdinStream implements StreamListener<WriteStdinRequest>, StdinSender {
  readonly #service: RunService;
  readonly #stream: Stream;
  #stdin: StdinBuffer | undefined;
  /** The caller does not read what it is told. */
  #isBehind = false;

  constructor(service: RunService, stream: Stream) {
    this.#service = service;
    this.#stream = stream;
    stream.listen(this);
  }

  message({ message }: WriteStdinRequest): void {
    try {
      switch (message?.$case) {
        case 'open':
          this.#open(message.value);
          break;
        case 'data':
          this.#write(message.value);
          break;
        case 'end':
          this.#end(message.value);
          break;
        case undefined:
          throw badField('message', 'it is of no known kind');
      }
    } catch (error) {
      this.#stdin?.lostBy(this);
      this.#stream.fail(error);
    }
  }

  /** Only `end` ends the input. */
  halfClosed(): void {
    this.#stdin?.lostBy(this);
    this.#stream.end();
  }

  cancelled(): void {
    this.#stdin?.lostBy(this);
  }

  pause(paused: boolean): void {
    this.#stream.pause(paused);
  }

  accepted(): void {
    this.#tell();
  }

  left(): void {
    this.#tell();
  }

  replaced(): void {
    const text = 'standard input has another writer now';
    this.#stream.fail(new SandboxExecutionError('stdin_closed', text));
  }

  #open({ sandboxId, runId, writerId, takeOver, epoch }: StdinOpening): void {
    if (this.#stdin !== undefined) throw badField('open', 'it was sent twice');
    checkId('open.writer_id', writerId);
    this.#service.checkEpoch(epoch, { sandboxId, runId });
    const held = this.#service.held(sandboxId, runId);
    if (held === undefined) throw noSuchRun({ sandboxId, runId });
    const stdin = stdinOf(held, { sandboxId, runId });
    if (held.writer !== writerId && !takeOver) {
      const text = `the run ${runId} has another writer; take_over makes this one its only`;
      throw new SandboxExecutionError('stdin_closed', text, { sandboxId, runId });
    }
    held.writer = writerId;
    this.#stdin = stdin;
    stdin.sentBy(this);
    this.#tell();
  }

  #write({ offset, data }: StdinData): void {
    const stdin = this.#opened('data');
    const known = stdin.received - Number(offset);
    if (known < 0) throw badField('data.offset', `only ${stdin.received} bytes came before it`);
    // What came before a break may come again.
    if (known < data.length) stdin.write(known === 0 ? data : data.subarray(known));
  }

  #end(offset: bigint): void {
    const stdin = this.#opened('end');
    if (Number(offset) !== stdin.received)
      throw badField('end', `${stdin.received} bytes came before it`);
    stdin.end();
    this.#tell();
  }

  #opened(message: string): StdinBuffer {
    if (this.#stdin === undefined) throw badField('open', `${message} was sent before it`);
    return this.#stdin;
  }

  #tell(): void {
    if (this.#stdin === undefined || this.#isBehind) return;
    const { received, accepted, isOver: over } = this.#stdin;
    const told = { received: BigInt(received), accepted: BigInt(accepted), over };
    const hasRoom = this.#stream.send(told);
    if (over) this.#stream.end();
    else if (!hasRoom) this.#waitForRoom();
  }

  /** What changes meanwhile is told at once then. */
  #waitForRoom(): void {
    this.#isBehind = true;
    this.#stream.whenDrained(() => {
      this.#isBehind = false;
      this.#tell();
    });
  }
}

function stdinOf({ stdin }: HeldRun, ids: RunIds): StdinBuffer {
  if (stdin !== undefined) return stdin;
  const text = `the run ${ids.runId} was started without standard input`;
  throw new SandboxExecutionError('stdin_closed', text, ids);
}
