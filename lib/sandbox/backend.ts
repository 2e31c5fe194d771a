import type { Observable } from 'rxjs';
import type { RunLifecycle, WindowSize } from '../process/process-controls.js';
import type { OutputEvent, OutputStream, ProcessEvent } from '../process/process-event.js';
import type { ProcessState } from '../process/run.js';
import type { StdinWrite } from '../process/stdin.js';
import type { SandboxFilter, SandboxInfo, SandboxSpec } from './sandbox-spec.js';

/** What a backend can do. What it cannot is refused with an `UnsupportedError` that names the capability. */
export interface Capabilities {
  /** A run can have a terminal, which can be resized. */
  readonly tty: boolean;
  /** A run can be sent signals while it is observed. */
  readonly signals: boolean;
  /**
   * A run can be observed by more than the one who started it, by its id. Without this, a run whose id the caller chose
   * is refused: that it is run once only could not be promised.
   */
  readonly attach: boolean;
  /** The processes of a sandbox can be listed and watched. */
  readonly processes: boolean;
  /** Files can be read, written, listed and removed. */
  readonly files: boolean;
  /** A sandbox can have scratch volumes, and snapshots of them can be taken, kept and restored. */
  readonly snapshots: boolean;
  /** Ports of a sandbox can be reached from outside. */
  readonly services: boolean;
  /** Logs can begin with their last lines or at a time, and have times in them. */
  readonly logOptions: boolean;
  /** A reader that stops reading makes the process itself wait. */
  readonly backpressure: boolean;
  /** Sandboxes are kept from the host and from each other. */
  readonly isolation: boolean;
}

/** What the loss of the connection to a run does to it: ends it, or leaves it to be attached to. */
export type OnDisconnect = 'kill' | 'detach';

/** A command to run, with everything checked and every default filled in. */
export interface ExecRequest {
  readonly sandboxId: string;
  /** The run's id. Where a run with this id exists already, it is attached to. */
  readonly id: string;
  /** The caller chose the id, so the run can be found by it after its end too. */
  readonly keep: boolean;
  /** What becomes of it when the connection to it is lost and does not come back. Default: it is ended. */
  readonly onDisconnect?: OnDisconnect;
  readonly command: readonly string[];
  /** A path in the sandbox; default: the sandbox's own. */
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** The size of the terminal that the run gets; absent: pipes. */
  readonly tty?: WindowSize;
  /** `'stdout'` joins standard error to it at the source. */
  readonly stderr: 'pipe' | 'stdout';
  /**
   * Standard input, to be subscribed to once the process runs and until it exits. Absent: empty. Where the run is
   * attached to, it is subscribed to as by one who has left already, so that nothing is read and writes are refused.
   */
  readonly stdin$?: Observable<StdinWrite>;
  /** Whether to stop reading output. */
  readonly paused$: Observable<boolean>;
  /** New sizes of the terminal. */
  readonly size$: Observable<WindowSize>;
  readonly killSignal: string;
  readonly killGraceMs: number;
  readonly drainGraceMs: number;
  /** To be told of the start, and, exactly once for each subscription, when nothing is left. */
  readonly lifecycle: RunLifecycle;
}

/** A run to observe that somebody else started. */
export interface AttachRequest {
  readonly sandboxId: string;
  readonly runId: string;
  /** Offsets from which to observe each stream. Default: what is retained. */
  readonly from?: Partial<Record<OutputStream, number>>;
  /** To be told that the process runs: at once, or when it has been started. */
  readonly lifecycle?: Pick<RunLifecycle, 'started'>;
  /** Whether to stop reading output: the run pauses as long as anybody who observes it wants that. */
  readonly paused$?: Observable<boolean>;
}

/** A signal for a run. */
export interface SignalRequest {
  readonly sandboxId: string;
  readonly runId: string;
  readonly signal: string;
}

/** What is known of a process of a sandbox: a command that was run there, by whomever, or its main command. */
export interface ProcessInfo {
  /** The run's id, by which it can be attached to. */
  readonly id: string;
  readonly sandboxId: string;
  /** The argv. */
  readonly command: readonly string[];
  /** `cancelled`: ended by the one who started it; `failed`: it could not be started, or how it ended is not known. */
  readonly state: ProcessState;
  /** It is the main command of its sandbox. */
  readonly main?: true;
  /** It has a terminal. */
  readonly tty: boolean;
  /** When it was asked for. */
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  /** The exit status, where it has `exited`. */
  readonly returncode?: number;
  /** The signal that ended it, where one did. */
  readonly signal?: string;
  /** Why it has `failed`, in words. */
  readonly reason?: string;
  /** It cannot be found by its id any more, and is in no list: the last that is told of it. */
  readonly forgotten?: true;
}

/** The processes of sandboxes. */
export interface BackendProcesses {
  /** Emits those that go on and those that have ended and can still be attached to, oldest first, and completes. */
  list(sandboxId: string): Observable<ProcessInfo>;
  /**
   * Emits those that `list` would, calls `listed`, and then emits each change, to the end of the sandbox: then it
   * completes. `forgotten` is a process's last. Who is behind may be told of several changes as one.
   */
  watch(sandboxId: string, listed?: () => void): Observable<ProcessInfo>;
}

/** Which part of the main command's output to give. */
export interface LogsRequest {
  readonly sandboxId: string;
  /** Go on with what is written later, to the command's end. */
  readonly follow: boolean;
  /**
   * Whether to stop reading. It never makes the command wait: what is not kept until the reader goes on is missing then, as
   * the next offset says. Sandboxes of this program may ignore it.
   */
  readonly paused$: Observable<boolean>;
  /** Only so many lines at the end of what there is now, and what follows. */
  readonly tailLines?: number;
  /** Only what was written since then, in milliseconds since 1970. */
  readonly sinceMs?: number;
  /** Puts before each line when it was written. Offsets then count the text with the times. */
  readonly timestamps?: boolean;
}

/** What `list` says of a file. */
export interface FileInfo {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** A file in a sandbox; a relative path starts at the sandbox's home. */
export interface FileRequest {
  readonly sandboxId: string;
  readonly path: string;
}

/** The files of sandboxes. All errors are `SandboxFileError`s. */
export interface BackendFiles {
  /** The contents, from the first byte on, read no faster than `paused$` allows. */
  read(request: FileRequest & { readonly paused$: Observable<boolean> }): Observable<Uint8Array>;
  /** Makes or replaces a file, and the directories above it; completes when it is written. */
  write(request: FileRequest & { readonly data$: Observable<StdinWrite> }): Observable<never>;
  /** What a directory holds, without `.` and `..`. */
  list(request: FileRequest): Observable<FileInfo>;
  /** Removes a file or, with `recursive`, a directory and all in it. */
  remove(request: FileRequest & { readonly recursive: boolean }): Observable<never>;
}

/** Which volume to take a snapshot of. */
export interface SnapshotRequest {
  readonly sandboxId: string;
  /** The volume's name. Default: the sandbox's only one. */
  readonly volume?: string;
}

/** What is known of a snapshot. One that is being taken has none yet. */
export interface SnapshotInfo {
  readonly id: string;
  /** The sandbox that it was taken of, which may be gone. */
  readonly sandboxId: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** Which snapshots to list. */
export interface SnapshotFilter {
  /** Only those of this sandbox. */
  readonly sandboxId?: string;
}

/** The snapshots of a backend. They outlive the sandboxes that they were taken of. */
export interface BackendSnapshots {
  /**
   * Takes a snapshot of a volume while its sandbox runs, and emits it when it is ready to be restored. Unsubscribing before that
   * leaves nothing. What commands write meanwhile may be in it or not, file by file.
   */
  take(request: SnapshotRequest): Observable<SnapshotInfo>;
  get(snapshotId: string): Observable<SnapshotInfo>;
  /** Emits the snapshots there are, oldest first, and completes. */
  list(filter: SnapshotFilter): Observable<SnapshotInfo>;
  /** Removes a snapshot; sandboxes that were made from it keep what they have. */
  delete(snapshotId: string): Observable<never>;
}

/**
 * Where sandboxes run. Everything is a cold Observable: nothing happens before it is subscribed to.
 *
 * `spec/contract/` holds what each method promises; a backend is done when it passes. The suite is exported from
 * `sandbox-rx/testing` for those who write their own.
 */
export interface SandboxBackend {
  /** A word for messages, such as `local`. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Makes a sandbox and emits it when it is running. Unsubscribing before that undoes it. */
  create(spec: SandboxSpec): Observable<SandboxInfo>;
  get(sandboxId: string): Observable<SandboxInfo>;
  /** Emits the sandboxes there are, oldest first, and completes. */
  list(filter: SandboxFilter): Observable<SandboxInfo>;
  /**
   * Emits the sandboxes there are, then each one that changes; `status: 'deleted'` is a sandbox's last. One that no longer
   * matches `filter` is told once more, so that it can be forgotten. `listed` is called between those that there are and
   * the first change.
   */
  watch(filter: SandboxFilter, listed?: () => void): Observable<SandboxInfo>;
  /** Ends all runs; the sandbox can still be asked for its status and logs. */
  stop(sandboxId: string): Observable<SandboxInfo>;
  /** Ends all runs and removes everything. Completes when nothing is left. */
  delete(sandboxId: string): Observable<never>;
  exec(request: ExecRequest): Observable<ProcessEvent>;
  attach(request: AttachRequest): Observable<ProcessEvent>;
  /** Completes when the signal was sent. */
  signal(request: SignalRequest): Observable<never>;
  logs(request: LogsRequest): Observable<OutputEvent>;
  readonly processes: BackendProcesses;
  readonly files: BackendFiles;
  readonly snapshots: BackendSnapshots;
}
