/** One of the two output streams of a process. */
export type OutputStream = 'stdout' | 'stderr';

/** A piece of output, in the order in which it arrived. */
export interface OutputEvent {
  readonly type: OutputStream;
  /** The bytes. They are shared with other consumers: read them, do not write to them. */
  readonly data: Uint8Array;
  /** Position of the first byte in its stream, from 0. A jump tells how many bytes are missing: at the end, by an empty piece. */
  readonly offset: number;
}

/** How one command of a pipeline ended. */
export interface StageStatus {
  /** The argv that was run. */
  readonly command: readonly string[];
  /**
   * The exit status; `null` where it is not known, because the command went on writing after those behind it had ended,
   * and was ended for that.
   */
  readonly returncode: number | null;
  /** Name of the signal that ended the process: `SIGPIPE` where those behind it had ended before. */
  readonly signal?: string;
}

/** The end of a run: all of its output has been emitted before. */
export interface ExitEvent {
  readonly type: 'exit';
  /**
   * The exit status, 0 to 255; 128 + the signal's number after a death by signal, as a shell reports it.
   *
   * @see {@link https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02 | POSIX shell, exit status}
   */
  readonly returncode: number;
  /** Name of the signal that ended the process, such as `SIGKILL`. */
  readonly signal?: string;
  /** The engine says that it was killed for want of memory. */
  readonly oom?: true;
  /** A descendant still held the output open when the process was over, so later output is not included. */
  readonly outputHeld?: true;
  /** Of a pipeline: how each of its commands ended, the first one first. */
  readonly stages?: readonly StageStatus[];
}

/**
 * What a run emits: any number of `stdout` and `stderr` events in the order of their arrival, then exactly
 * one `exit`, then completion. A run whose end is not known errors; it never completes without `exit`.
 *
 * ```text
 * --stdout--stderr--stdout----(exit|)
 * ```
 */
export type ProcessEvent = OutputEvent | ExitEvent;
