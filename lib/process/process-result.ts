import { Decoding } from './decoding.js';
import type { ExitEvent, StageStatus } from './process-event.js';
import type { StreamLog } from './stream-log.js';

/**
 * How a run ended, and what it wrote. Holds the last `retainBytes` of each stream; what fell out before is
 * counted in the totals and flagged, never silent.
 *
 * @example
 * ```ts
 * import type { Sandbox } from 'sandbox-rx';
 *
 * declare const sandbox: Sandbox;
 * const { returncode, stdout, stdoutTruncated } = await sandbox.exec(['date', '-u']).result();
 * if (returncode === 0 && !stdoutTruncated) console.log(stdout);
 * ```
 */
export class ProcessResult {
  /** The argv that was run. */
  readonly command: readonly string[];
  /** The exit status: 0 to 255, or 128 + the signal's number. */
  readonly returncode: number;
  /** Name of the signal that ended the process, such as `SIGKILL`. */
  readonly signal: string | undefined;
  /** Whether the engine says that it was killed for want of memory. */
  readonly oom: boolean;
  /** Whether a descendant still held the output open, so that output after the exit is not included. */
  readonly outputHeld: boolean;
  /** Of a pipeline: how each of its commands ended, the first one first. */
  readonly stages: readonly StageStatus[] | undefined;
  /** From the start of the run to its exit, in milliseconds. */
  readonly durationMs: number;
  readonly #output: RunOutput;
  #stdout: string | undefined;
  #stderr: string | undefined;
  #stdoutBytes: Uint8Array | undefined;
  #stderrBytes: Uint8Array | undefined;

  /** @internal */
  constructor(
    command: readonly string[],
    exit: ExitEvent,
    output: RunOutput & { durationMs: number },
  ) {
    this.command = command;
    this.returncode = exit.returncode;
    this.signal = exit.signal;
    this.oom = exit.oom ?? false;
    this.outputHeld = exit.outputHeld ?? false;
    this.stages = exit.stages;
    this.durationMs = output.durationMs;
    this.#output = output;
  }

  /** Standard output as text, decoded when first read. */
  get stdout(): string {
    return (this.#stdout ??= textOf(this.#output.stdout, this.#output.encoding));
  }

  /** Standard error as text, decoded when first read. */
  get stderr(): string {
    return (this.#stderr ??= textOf(this.#output.stderr, this.#output.encoding));
  }

  /** Standard output as bytes. */
  get stdoutBytes(): Uint8Array {
    return (this.#stdoutBytes ??= this.#output.stdout.bytes());
  }

  /** Standard error as bytes. */
  get stderrBytes(): Uint8Array {
    return (this.#stderrBytes ??= this.#output.stderr.bytes());
  }

  /** How many bytes the process wrote to standard output. */
  get stdoutTotalBytes(): number {
    return this.#output.stdout.end;
  }

  /** How many bytes the process wrote to standard error. */
  get stderrTotalBytes(): number {
    return this.#output.stderr.end;
  }

  /** Whether `stdout` lacks bytes that the process wrote. */
  get stdoutTruncated(): boolean {
    return this.#output.stdout.droppedBytes > 0;
  }

  /** Whether `stderr` lacks bytes that the process wrote. */
  get stderrTruncated(): boolean {
    return this.#output.stderr.droppedBytes > 0;
  }

  /** The result as plain data: what `JSON.stringify` shows. */
  toJSON(): Record<string, unknown> {
    return {
      command: this.command,
      returncode: this.returncode,
      signal: this.signal,
      oom: this.oom,
      outputHeld: this.outputHeld,
      stages: this.stages,
      durationMs: this.durationMs,
      stdout: this.stdout,
      stderr: this.stderr,
      stdoutTotalBytes: this.stdoutTotalBytes,
      stderrTotalBytes: this.stderrTotalBytes,
      stdoutTruncated: this.stdoutTruncated,
      stderrTruncated: this.stderrTruncated,
    };
  }
}

/** What a {@link ProcessResult} is made of; both logs have ended. */
interface RunOutput {
  readonly stdout: StreamLog;
  readonly stderr: StreamLog;
  readonly encoding: string;
}

function textOf(log: StreamLog, encoding: string): string {
  const decoding: Decoding<string> = new Decoding(log, encoding === 'buffer' ? 'utf-8' : encoding);
  let text = '';
  for (let chunk = decoding.next(); chunk !== undefined; chunk = decoding.next()) text += chunk;
  return text + decoding.end();
}
