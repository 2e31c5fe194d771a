import { NEVER, Observable, Subject, Subscription, type Subscriber } from 'rxjs';
import type { Parts } from '../process/bytes.js';
import { SandboxExecutionError } from '../process/errors/errors.js';
import type { WindowSize } from '../process/process-controls.js';
import type { ExitEvent, ProcessEvent } from '../process/process-event.js';
import { newId } from '../process/new-id.js';
import type { ExecRequest, SandboxBackend } from '../sandbox/backend.js';
import { decodedInput, errorFrame } from '../wire/exec-frames.js';
import { errorToStatus } from '../wire/error-to-status.js';
import { Extension } from '../wire/extension.js';
import type {
  ExecStreamInit,
  ExecStreamRequest,
  ExecStreamResponse,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunEnd, RunOptions } from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { toTimestamp } from '../wire/timestamp.js';
import { badField } from './bad-field.js';
import type { HostStream, StreamListener } from './call.js';
import { checkedCommand, checkRunOptions, isSize, sizeRule } from './check-command.js';
import type { LiveRuns } from './live-runs.js';
import { OutputFrames } from './output-frames.js';
import { readOptions } from './read-options.js';
import type { Sandboxes } from './sandboxes.js';
import { StdinBuffer } from './stdin-buffer.js';

/** What the streams of runs have in common. */
export interface ExecStreams {
  readonly backend: SandboxBackend;
  readonly sandboxes: Sandboxes;
  readonly runs: LiveRuns;
  /** Input that may wait for a process at most, in bytes. */
  readonly maxStdinBytes: number;
  /** Output in one message at most, in bytes. */
  readonly maxFrameBytes: number;
}

type Stream = HostStream<ExecStreamRequest, ExecStreamResponse>;

/** Input, which is most of what comes. */
export function readInput(message: Parts): readonly ExecStreamRequest[] | undefined {
  return decodedInput(message)?.map((value) => ({ message: { $case: 'stdin', value } }));
}

/** One StreamExec: a run that lives as long as its stream. */
export class ExecStream implements StreamListener<ExecStreamRequest> {
  readonly #streams: ExecStreams;
  readonly #stream: Stream;
  readonly #run = new Subscription();
  readonly #size: Subject<WindowSize> = new Subject();
  #init: ExecStreamInit | undefined;
  #paused: Subscriber<boolean> | undefined;
  readonly #stdin: StdinBuffer;
  readonly #output: OutputFrames;
  #isReady = false;

  constructor(streams: ExecStreams, stream: Stream) {
    this.#streams = streams;
    this.#stream = stream;
    this.#stdin = new StdinBuffer(streams.maxStdinBytes, stream);
    this.#output = new OutputFrames(stream, {
      maxFrameBytes: streams.maxFrameBytes,
      pause: (paused) => this.#paused?.next(paused),
    });
    stream.listen(this);
  }

  message({ message }: ExecStreamRequest): void {
    switch (message?.$case) {
      case 'init':
        if (this.#init) this.#refuse('init', 'it was sent twice');
        else this.#start(message.value);
        break;
      case 'stdin':
        this.#input(message.value);
        break;
      case 'resize':
        this.#resize({ cols: message.value.width, rows: message.value.height });
        break;
      case 'close':
        this.#stdin.end();
        break;
      case undefined:
        this.#refuse('message', 'it is of no known kind');
    }
  }

  halfClosed(): void {
    if (this.#init === undefined) this.#refuse('init', 'it was not sent');
    else this.#stdin.end();
  }

  cancelled(): void {
    this.#run.unsubscribe();
  }

  #start(init: ExecStreamInit): void {
    this.#init = init;
    try {
      this.#subscribe(this.#requestOf(init));
    } catch (error) {
      this.#stream.fail(error);
    }
  }

  #requestOf(init: ExecStreamInit): ExecRequest {
    const sandboxId = this.#streams.sandboxes.running(init.sandboxId, init.container);
    const isOurs = this.#isOurs;
    const options = this.#options();
    const id = options.runId || newId();
    const wanted = checkedCommand(init, options);
    return {
      sandboxId,
      id,
      keep: false,
      ...wanted,
      stdin$: this.#stdin.stdin$,
      paused$: new Observable((subscriber) => {
        this.#paused = subscriber;
      }),
      size$: wanted.tty === undefined ? NEVER : this.#size,
      killSignal: options.killSignal || 'SIGTERM',
      killGraceMs: isOurs ? options.killGraceMs : 2000,
      drainGraceMs: isOurs ? options.drainGraceMs : 200,
      lifecycle: {
        started: () => {
          this.#ready();
        },
        closed: () => {
          this.#streams.runs.closed(init.sandboxId, id);
        },
      },
    };
  }

  /** Whether the caller is a client of this library. */
  get #isOurs(): boolean {
    return this.#stream.metadata[Extension.run] !== undefined;
  }

  #options(): RunOptions {
    const options = readOptions(this.#stream.metadata, Extension.run, RunOptions);
    checkRunOptions(Extension.run, options);
    return options;
  }

  #subscribe(request: ExecRequest): void {
    const { sandboxId } = this.#init ?? { sandboxId: '' };
    this.#streams.runs.add(sandboxId, request.id, this.#run);
    this.#run.add(
      this.#streams.backend.exec(request).subscribe({
        next: (event) => {
          this.#tell(event);
        },
        error: (error: unknown) => {
          this.#fail(error);
        },
      }),
    );
  }

  #tell(event: ProcessEvent): void {
    this.#ready();
    if (event.type === 'exit') this.#exit(event);
    else this.#output.add(event);
  }

  #exit({ returncode: exitCode, signal = '', oom, outputHeld }: ExitEvent): void {
    this.#output.flush();
    const completedTime = toTimestamp(Date.now());
    this.#stream.send({ message: { $case: 'exit', value: { exitCode, completedTime } } });
    const end = { signal, oom: oom === true, outputHeld: outputHeld === true };
    this.#stream.end({ [Extension.end]: RunEnd.encode(end).finish() });
  }

  /**
   * A command that cannot start is no failure of the call. For a client of ours, nothing is: a call that fails throws
   * away what its reader has not read yet.
   */
  #fail(error: unknown): void {
    const isStart = error instanceof SandboxExecutionError && error.code === 'ERR_NOT_STARTED';
    if (!isStart && !this.#isOurs) {
      this.#stream.fail(error);
      return;
    }
    this.#output.flush();
    this.#stream.send({ message: { $case: 'error', value: errorFrame(error) } });
    this.#stream.end(this.#isOurs ? { [Extension.failure]: errorToStatus(error).details } : {});
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    const readyTime = toTimestamp(Date.now());
    this.#stream.send({ message: { $case: 'ready', value: { readyTime } } });
  }

  #input(data: Uint8Array): void {
    if (this.#init === undefined) {
      this.#refuse('init', 'stdin was sent before it');
      return;
    }
    try {
      this.#stdin.write(data);
    } catch (error) {
      this.#run.unsubscribe();
      this.#stream.fail(error);
    }
  }

  #resize(size: WindowSize): void {
    if (this.#init?.tty !== true) this.#refuse('resize', 'the run has no terminal');
    else if (!isSize(size)) this.#refuse('resize', sizeRule);
    else this.#size.next(size);
  }

  #refuse(field: string, why: string): void {
    this.#run.unsubscribe();
    this.#stream.fail(badField(field, why));
  }
}
