import { Observable, type ObservableInput, type Subscriber } from 'rxjs';
import { stdout } from '../../operators/output.js';
import { checkRun } from '../../operators/result.js';
import type { StdinData } from '../../process/stdin.js';
import type { StreamWriter } from '../../process/stream-writer.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { FrameWriter } from './frame-writer.js';
import { codecOf, type Codec } from './framing.js';
import { inletOf, type Inlet, type Taker } from '../inlet.js';
import {
  checkThrough,
  isPushed,
  limitsOf,
  overflown,
  type Through,
  type ThroughOptions,
  type WaitLimits,
} from './through-options.js';

/** So much of what the process writes is kept for the error that it may end in. */
const retainBytes = 16_384;

/**
 * A process as an operator: values go in on its standard input, and come out of its standard output. One process serves
 * the whole stream; it gets EOF when the source completes, and the result completes when it has ended. It may write as much
 * or as little as it likes: {@link mapThrough} is for one answer to each value.
 *
 * Give a source that can wait, such as an async iterable or a `StreamReader`, to the operator as its argument: it is read
 * only as fast as the process reads. An Observable cannot wait, and `overflow` says what happens when too much of it does.
 *
 * A process that ends with success before the source does completes the result, and the source is unsubscribed.
 * Unsubscribing kills the process.
 *
 * ```text
 * source                        --a--b--c--|
 * through(sandbox, ['upper'])   ---A--B--C--|      the process ends after the last value
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for a bad command or option; through the error channel, for a value that
 * does not fit the framing. The process is killed then.
 * @throws {@link SandboxExecutionError} through the error channel, where the process cannot be started, or ends with another
 * status than 0: the message ends with what it said last on standard error.
 * @throws {@link OutputLimitError} through the error channel, where too much waits, or a line or frame is too long.
 *
 * @example
 * ```ts
 * import { through, type Process, type Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * declare const server: Process;
 * const names = through<string>(sandbox, ['jq', '--unbuffered', '-c', '.name'], { framing: 'ndjson' });
 * names(server.stdout.lines()).subscribe(console.log); // the server waits for jq
 * ```
 */
export function through<Out = unknown>(
  sandbox: Sandbox,
  command: readonly string[],
  options: ThroughOptions & { readonly framing: 'ndjson' },
): Through<unknown, Out>;
export function through(
  sandbox: Sandbox,
  command: readonly string[],
  options: ThroughOptions & { readonly framing: 'length-prefixed' | 'raw' },
): Through<StdinData, Uint8Array>;
export function through(
  sandbox: Sandbox,
  command: readonly string[],
  options?: ThroughOptions & { readonly framing?: 'lines' },
): Through<string, string>;
export function through(
  sandbox: Sandbox,
  command: readonly string[],
  options: ThroughOptions = {},
): Through<never, unknown> {
  checkThrough(sandbox, command, options);
  const { framing = 'lines', maxLength } = options;
  const codec = codecOf(framing, maxLength);
  const limits = limitsOf(options);
  return (source) => {
    const pushes = isPushed(source, limits);
    return new Observable((subscriber) => {
      const { id, controls, events$ } = sandbox.open(command, { ...options, stdin: true });
      subscriber.add(() => controls.stdin?.end());
      const known = { id, retainBytes, controls: { sandboxId: sandbox.id } };
      events$.pipe(checkRun(command, known), stdout(), codec.decode()).subscribe(subscriber);
      if (controls.stdin === undefined || subscriber.closed) return;
      new Feed(source, { writer: controls.stdin, codec, limits, pushes, subscriber }).start();
    });
  };
}

interface FeedTarget {
  readonly writer: StreamWriter;
  readonly codec: Codec;
  readonly limits: WaitLimits;
  /** The source cannot be made to wait. */
  readonly pushes: boolean;
  readonly subscriber: Subscriber<unknown>;
}

/** What brings a source's values to a process. */
class Feed<In> implements Taker<In> {
  readonly #target: FeedTarget;
  readonly #inlet: Inlet;
  readonly #frames: FrameWriter;

  constructor(source: ObservableInput<In>, target: FeedTarget) {
    this.#target = target;
    this.#inlet = inletOf(source, this);
    this.#frames = new FrameWriter(target.writer, () => {
      this.#inlet.resume();
    });
    target.subscriber.add(() => {
      this.#inlet.stop();
    });
  }

  get hasRoom(): boolean {
    const { pushes, limits } = this.#target;
    return pushes || this.#frames.waiting < limits.bufferBytes;
  }

  start(): void {
    this.#inlet.resume();
    // Whoever closes its input wants no more: it is not asked for.
    this.#target.writer.closed.result$.subscribe({
      complete: () => {
        this.#inlet.stop();
      },
      error: ignore,
    });
  }

  next(value: In): void {
    const { codec, limits, pushes, subscriber } = this.#target;
    try {
      this.#frames.push(codec.encode(value));
      if (pushes) this.#limit(limits);
    } catch (error) {
      subscriber.error(error);
    }
  }

  error(error: unknown): void {
    this.#target.subscriber.error(error);
  }

  complete(): void {
    this.#frames.close();
  }

  #limit(limits: WaitLimits): void {
    if (this.#frames.waiting <= limits.bufferBytes) return;
    if (limits.overflow === 'fail') throw overflown(limits);
    let count = 0;
    for (; this.#frames.waiting > limits.bufferBytes; count++) this.#frames.dropOldest();
    limits.onDrop?.(count);
  }
}

function ignore(): void {
  // The end of a process is told by its events.
}
