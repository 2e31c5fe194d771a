import { asyncScheduler, NEVER, Subscription, type Subscriber } from 'rxjs';
import { ConnectionLostError } from '../../../process/errors/errors.js';
import type { SandboxError } from '../../../process/errors/sandbox-error.js';
import type { WindowSize } from '../../../process/process-controls.js';
import type { OutputStream, ProcessEvent } from '../../../process/process-event.js';
import {
  ExecStreamOutput_Stream,
  type ExecStreamOutput,
} from '../../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type {
  AttachExit,
  AttachProcessRequest,
  AttachProcessResponse,
  StreamOffsets,
} from '../../../wire/generated/sandboxrx/v1/runs.js';
import { RunEnd } from '../../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { readStatus } from '../../../wire/status-details.js';
import { statusToError } from '../../../wire/status-to-error.js';
import { offsetsOf, streamOffsetsOf } from '../../../wire/stream-offsets.js';
import { exitDetailsOf } from '../call-outcome.js';
import { attachProcess } from '../methods.js';
import type { RpcStream, RpcTransport, StreamObserver } from '../rpc-transport.js';
import type { AttachCursor, Attachment } from './attached-run.js';

/** Output is confirmed when so much has come, or so long after it came. */
const confirmBytes = 262_144;
const confirmMs = 20;

const nothing = new Uint8Array();

/** One call of an observation, of which there are more when it breaks. */
export class AttachCall implements StreamObserver<AttachProcessResponse> {
  readonly #attachment: Attachment;
  readonly #cursor: AttachCursor;
  readonly #told: Subscriber<ProcessEvent | 'opened'>;
  readonly #stream: RpcStream<AttachProcessRequest>;
  readonly #inputs = new Subscription();
  #unconfirmed = 0;
  #confirming: Subscription | undefined;
  #isOver = false;

  constructor(
    transport: RpcTransport,
    { attachment, cursor }: { readonly attachment: Attachment; readonly cursor: AttachCursor },
    told: Subscriber<ProcessEvent | 'opened'>,
  ) {
    this.#attachment = attachment;
    this.#cursor = cursor;
    this.#told = told;
    const { sandboxId, runId, paused$ = NEVER } = attachment;
    this.#stream = transport.open(attachProcess, this, { subject: { sandboxId, runId } });
    const { observerId, epoch, at } = cursor;
    const from = streamOffsetsOf(at);
    const value = { sandboxId, runId, observerId, from, epoch };
    this.#stream.send({ message: { $case: 'open', value } });
    const pause = (paused: boolean): void => {
      this.#stream.pause(paused);
    };
    this.#inputs.add(
      paused$.subscribe({
        next: pause,
        error: (error: unknown) => {
          told.error(error);
        },
      }),
    );
  }

  opened(): void {
    // What it says comes as a message.
  }

  message({ message }: AttachProcessResponse): void {
    if (this.#isOver) return;
    switch (message?.$case) {
      case 'opened':
        this.#opened(message.value.epoch);
        break;
      case 'ready':
        this.#ready();
        break;
      case 'position':
        this.#moved(message.value);
        break;
      case 'output':
        this.#output(message.value);
        break;
      case 'exit':
        this.#exit(message.value);
        break;
      case 'failure':
        this.#failed(message.value);
        break;
      case undefined:
    }
  }

  /** Before an exit: only where another call has taken this one's place. */
  end(): void {
    this.error(new ConnectionLostError('the run is observed by another call', this.#ids));
  }

  error(error: SandboxError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#told.error(error);
  }

  /** Says that it leaves, and waits for nothing. */
  leave(): void {
    this.#inputs.unsubscribe();
    this.#confirming?.unsubscribe();
    if (this.#isOver) return;
    this.#isOver = true;
    // What still comes must not keep the answer.
    this.#stream.pause(false);
    this.#stream.halfClose();
  }

  #opened(epoch: string): void {
    this.#cursor.epoch = epoch;
    this.#told.next('opened');
    const { size$ = NEVER } = this.#attachment;
    const resize = ({ cols: width, rows: height }: WindowSize): void => {
      this.#stream.send({ message: { $case: 'resize', value: { width, height } } });
    };
    // Whether the last one arrived before a break is not known.
    if (this.#cursor.size !== undefined) resize(this.#cursor.size);
    this.#inputs.add(size$.subscribe({ next: resize, error: ignore }));
  }

  #ready(): void {
    if (this.#cursor.isRunning) return;
    this.#cursor.isRunning = true;
    this.#attachment.lifecycle?.started();
  }

  #moved(offsets: StreamOffsets): void {
    Object.assign(this.#cursor.at, offsetsOf(offsets));
    if (this.#attachment.startedIn === undefined) return;
    const text = 'the connection was lost for too long: output of the run is missing';
    this.#fail(new ConnectionLostError(text, this.#ids));
  }

  #output({ stream, data }: ExecStreamOutput): void {
    this.#ready();
    const { at, shown } = this.#cursor;
    const type: OutputStream =
      stream === ExecStreamOutput_Stream.STREAM_STDERR ? 'stderr' : 'stdout';
    const offset = at[type] ?? 0;
    at[type] = offset + data.length;
    shown[type] = at[type];
    this.#told.next({ type, data, offset });
    this.#received(data.length);
  }

  #received(bytes: number): void {
    if (this.#isOver) return;
    this.#unconfirmed += bytes;
    if (this.#unconfirmed >= confirmBytes) this.#confirm();
    else
      this.#confirming ??= asyncScheduler.schedule(() => {
        this.#confirm();
      }, confirmMs);
  }

  #confirm(): void {
    this.#unconfirmed = 0;
    this.#confirming?.unsubscribe();
    this.#confirming = undefined;
    const value = streamOffsetsOf(this.#cursor.at);
    this.#stream.send({ message: { $case: 'received', value } });
  }

  #exit({ exitCode: returncode, end = RunEnd.create() }: AttachExit): void {
    this.#ready();
    this.#showLeftOut();
    this.#told.next({ type: 'exit', returncode, ...exitDetailsOf(end) });
    this.#told.complete();
  }

  /** What was left out at the end, with nothing after it. Not before: nobody would read it, and so go on. */
  #showLeftOut(): void {
    const { at, shown } = this.#cursor;
    for (const type of ['stdout', 'stderr'] as const) {
      const { [type]: offset = 0 } = at;
      if (offset > (shown[type] ?? 0)) this.#told.next({ type, data: nothing, offset });
    }
  }

  #failed(status: Uint8Array): void {
    this.#fail(statusToError(readStatus(status), this.#ids));
  }

  #fail(error: SandboxError): void {
    this.#cursor.hasFailed = true;
    this.#told.error(error);
  }

  get #ids(): Readonly<Record<'sandboxId' | 'runId', string>> {
    const { sandboxId, runId } = this.#attachment;
    return { sandboxId, runId };
  }
}

function ignore(): void {
  // The run has its own end.
}
