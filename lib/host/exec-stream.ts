import { NEVER, Observable, Subject, Subscription, type Subscriber } from 'rxjs';
import { SandboxExecutionError } from '../process/errors/errors.js';
import type { WindowSize } from '../process/process-controls.js';
import type { ExitEvent, ProcessEvent } from '../process/process-event.js';
import type { StdinWrite } from '../process/stdin.js';
import { newId } from '../process/new-id.js';
import {
  checkCommand,
  checkEnv,
  checkInteger,
  checkSignalName,
  checkText,
  maxTimerMs,
} from '../process/validate.js';
import type { ExecRequest, SandboxBackend } from '../sandbox/backend.js';
import { errorFrame, execRequestOf } from '../wire/exec-frames.js';
import { errorToStatus } from '../wire/error-to-status.js';
import { Extension } from '../wire/extension.js';
import type {
  ExecStreamInit,
  ExecStreamRequest,
  ExecStreamResponse,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { RunEnd, RunOptions } from '../wire/generated/sandboxrx/v1/sandboxrx.js';
import { toTimestamp } from '../wire/timestamp.js';
import { badField, checkField, checkId } from './bad-field.js';
import type { HostStream, StreamListener } from './call.js';
import { exhausted } from './limits.js';
import type { LiveRuns } from './live-runs.js';
import { OutputFrames } from './output-frames.js';
import { readOptions } from './read-options.js';
import type { Sandboxes } from './sandboxes.js';

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

/** So much input may wait for the process before the caller is made to wait. */
const inputBytes = 1_048_576;

type Stream = HostStream<ExecStreamRequest, ExecStreamResponse>;

/** One StreamExec: a run that lives as long as its stream. */
export class ExecStream implements StreamListener<ExecStreamRequest> {
  readonly #streams: ExecStreams;
  readonly #stream: Stream;
  readonly #run = new Subscription();
  readonly #size: Subject<WindowSize> = new Subject();
  #init: ExecStreamInit | undefined;
  #paused: Subscriber<boolean> | undefined;
  #stdin: Subscriber<StdinWrite> | undefined;
  /** What came before anybody read it. */
  readonly #waiting: Uint8Array[] = [];
  #inputOver = false;
  readonly #output: OutputFrames;
  #unread = 0;
  #isReady = false;

  constructor(streams: ExecStreams, stream: Stream) {
    this.#streams = streams;
    this.#stream = stream;
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
        this.#endInput();
        break;
      case undefined:
        this.#refuse('message', 'it is of no known kind');
    }
  }

  halfClosed(): void {
    if (this.#init === undefined) this.#refuse('init', 'it was not sent');
    else this.#endInput();
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
    const wanted = execRequestOf(init, options);
    checkField('init.command', () => {
      checkCommand(wanted.command);
    });
    checkField('init.env', () => {
      checkEnv('env', wanted.env);
    });
    if (wanted.tty !== undefined && !isSize(wanted.tty)) throw badField('init.tty', sizeRule);
    return {
      ...{ sandboxId, id, keep: false },
      ...wanted,
      stdin$: this.#stdin$(),
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
    const { runId, killSignal, cwd } = options;
    checkId('run_id', runId);
    checkField(Extension.run, () => {
      for (const name of ['killGraceMs', 'drainGraceMs'] as const)
        checkInteger(name, options[name], { min: 0, max: maxTimerMs });
      checkText('cwd', cwd);
      if (killSignal !== '') checkSignalName('killSignal', killSignal);
    });
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

  #stdin$(): Observable<StdinWrite> {
    return new Observable((subscriber) => {
      this.#stdin = subscriber;
      for (const data of this.#waiting.splice(0)) this.#write(subscriber, data);
      if (this.#inputOver) subscriber.complete();
      subscriber.add(() => {
        // Nobody will read it: what still comes is dropped, so that the stream goes on.
        this.#unread = 0;
        this.#stream.pause(false);
      });
    });
  }

  #input(data: Uint8Array): void {
    if (this.#init === undefined) {
      this.#refuse('init', 'stdin was sent before it');
      return;
    }
    if (this.#inputOver || this.#stdin?.closed === true) return;
    this.#unread += data.length;
    if (this.#unread > this.#streams.maxStdinBytes) {
      this.#run.unsubscribe();
      this.#stream.fail(
        exhausted(`stdin: more than ${this.#streams.maxStdinBytes} bytes of it wait`),
      );
      return;
    }
    if (this.#unread >= inputBytes) this.#stream.pause(true);
    if (this.#stdin === undefined) this.#waiting.push(data);
    else this.#write(this.#stdin, data);
  }

  #write(stdin: Subscriber<StdinWrite>, data: Uint8Array): void {
    const accepted = (): void => {
      this.#unread = Math.max(0, this.#unread - data.length);
      if (this.#unread < inputBytes) this.#stream.pause(false);
    };
    stdin.next({ data, accepted });
  }

  #endInput(): void {
    this.#inputOver = true;
    this.#stdin?.complete();
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

const sizeRule = 'a terminal has 1 to 65535 rows and columns';

function isSize({ cols, rows }: WindowSize): boolean {
  return [cols, rows].every((length) => length >= 1 && length <= 65_535);
}
