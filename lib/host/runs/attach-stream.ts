import type { OutputEvent, OutputStream } from '../../process/process-event.js';
import { errorToStatus } from '../../wire/error-to-status.js';
import type { ExecStreamResize } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type {
  AttachOpening,
  AttachProcessRequest,
  AttachProcessResponse,
} from '../../wire/generated/sandboxrx/v1/runs.js';
import { offsetsOf, streamOffsetsOf } from '../../wire/stream-offsets.js';
import { badField } from '../bad-field.js';
import type { HostStream, StreamListener } from '../call.js';
import { isSize, sizeRule } from '../check-command.js';
import { OutputFrames } from '../output-frames.js';
import type { Offsets, Place, RunOver, Viewer } from './place.js';
import { noSuchRun, type RunService } from './run-service.js';

type Stream = HostStream<AttachProcessRequest, AttachProcessResponse>;

/** One AttachProcess: somebody who observes a run, until the call ends. */
export class AttachStream implements StreamListener<AttachProcessRequest>, Viewer {
  readonly #service: RunService;
  readonly #stream: Stream;
  readonly #frames: OutputFrames;
  /** Where the caller takes the next output of each stream to begin. */
  readonly #at: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  #opening: AttachOpening | undefined;
  #place: Place | undefined;

  constructor(service: RunService, stream: Stream) {
    this.#service = service;
    this.#stream = stream;
    // What is not confirmed makes the run wait, whether it was sent or not.
    this.#frames = new OutputFrames(stream, {
      maxFrameBytes: service.maxFrameBytes,
      pause: ignore,
    });
    stream.listen(this);
  }

  message({ message }: AttachProcessRequest): void {
    try {
      switch (message?.$case) {
        case 'open':
          this.#open(message.value);
          break;
        case 'received':
          this.#placeOf('received').confirm(this.#sent(offsetsOf(message.value)));
          break;
        case 'resize':
          this.#placeOf('resize');
          this.#resize(message.value);
          break;
        case undefined:
          throw badField('message', 'it is of no known kind');
      }
    } catch (error) {
      this.#place?.lost(this);
      this.#stream.fail(error);
    }
  }

  /** It has heard the end, or leaves before. */
  halfClosed(): void {
    this.#place?.leave();
    this.#stream.end();
  }

  cancelled(): void {
    this.#place?.lost(this);
  }

  ready(): void {
    this.#stream.send({ message: { $case: 'ready', value: {} } });
  }

  output(event: OutputEvent): void {
    const { type, offset, data } = event;
    if (offset !== this.#at[type]) this.#move(type, offset);
    this.#at[type] = offset + data.length;
    this.#frames.add(event);
  }

  over(over: RunOver, ends: Readonly<Record<OutputStream, number>>): void {
    this.#frames.flush();
    for (const type of ['stdout', 'stderr'] as const)
      if (ends[type] > this.#at[type]) this.#move(type, ends[type]);
    if (over.type === 'failed') {
      const value = errorToStatus(over.error).details;
      this.#stream.send({ message: { $case: 'failure', value } });
      return;
    }
    const { returncode: exitCode, signal = '', oom, outputHeld } = over;
    const end = { signal, oom: oom === true, outputHeld: outputHeld === true };
    this.#stream.send({ message: { $case: 'exit', value: { exitCode, end } } });
  }

  replaced(): void {
    this.#place = undefined;
    this.#stream.end();
  }

  #move(type: OutputStream, offset: number): void {
    this.#frames.flush();
    this.#at[type] = offset;
    const value = streamOffsetsOf({ [type]: offset });
    this.#stream.send({ message: { $case: 'position', value } });
  }

  #open(opening: AttachOpening): void {
    if (this.#opening !== undefined) throw badField('open', 'it was sent twice');
    const { sandboxId, runId, observerId, from, epoch } = opening;
    this.#opening = opening;
    this.#service.checkEpoch(epoch, opening);
    const received = offsetsOf(from);
    Object.assign(this.#at, received);
    // Who may change nothing does not make a run wait either.
    const holdsUp = this.#stream.scope?.readOnly !== true;
    const place = this.#service.place(sandboxId, { runId, observerId, from: received, holdsUp });
    this.#stream.send({ message: { $case: 'opened', value: { epoch: this.#service.epoch } } });
    this.#place = place;
    place.enter(this, received);
  }

  /** What may have been received: nobody can confirm what still waits here, or the run would not wait for them. */
  #sent(received: Offsets): Offsets {
    const upTo = (type: OutputStream): number =>
      Math.min(received[type] ?? 0, this.#at[type] - this.#frames.waiting(type));
    return { stdout: upTo('stdout'), stderr: upTo('stderr') };
  }

  #placeOf(message: string): Place {
    if (this.#place === undefined) throw badField('open', `${message} was sent before it`);
    return this.#place;
  }

  #resize({ width: cols, height: rows }: ExecStreamResize): void {
    const { sandboxId = '', runId = '' } = this.#opening ?? {};
    const held = this.#service.held(sandboxId, runId);
    if (held === undefined) throw noSuchRun({ sandboxId, runId });
    if (!held.hasTerminal) throw badField('resize', 'the run has no terminal');
    if (!isSize({ cols, rows })) throw badField('resize', sizeRule);
    held.resize({ cols, rows });
  }
}

function ignore(): void {
  // Said where it is used.
}
