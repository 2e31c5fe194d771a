import { filter, finalize, merge, NEVER, Observable, take, toArray } from 'rxjs';
import type { Chunk } from '../process/chunk-decoder.js';
import { newId } from '../process/new-id.js';
import {
  startOperation,
  waitFor,
  type OperationRef,
  type WaitOptions,
} from '../process/operation-ref.js';
import type { OutputEvent, OutputStream, ProcessEvent } from '../process/process-event.js';
import { checkProcessOptions, type ProcessOptions } from '../process/process-options.js';
import type { StdinWrite } from '../process/stdin.js';
import type { ProcessResult } from '../process/process-result.js';
import { Process } from '../process/process.js';
import {
  checkCommand,
  checkInteger,
  checkRecord,
  checkText,
  refuse,
  requireText,
} from '../process/validate.js';
import type { Capabilities, ProcessInfo, SandboxBackend, SnapshotInfo } from './backend.js';
import { ensureDeleted } from './ensure-deleted.js';
import { checkRunOptions, type ExecOptions, type RunOptions } from './exec-options.js';
import { execute } from './execute.js';
import { liveList } from './live-list.js';
import { checkLogsOptions, type LogsOptions } from './logs-options.js';
import { RunControls } from './run-controls.js';
import { SandboxFiles } from './sandbox-files.js';
import type { SandboxInfo } from './sandbox-spec.js';

/** Options for {@link Sandbox.attach}. */
export interface AttachOptions extends Omit<ProcessOptions, 'controls' | 'id'> {
  /** Offsets from which to observe each stream, in bytes. Default: what is retained. */
  readonly from?: Partial<Record<OutputStream, number>>;
}

/** @internal A run that is not subscribed to yet, and how to steer it. */
export interface OpenRun {
  readonly id: string;
  readonly controls: RunControls;
  readonly events$: Observable<ProcessEvent>;
}

/** What a handle that only observes can do with its run, beside sending signals. */
const noInput = { stdin: false, tty: false };

/** Options for {@link Sandbox.shell}. */
export interface ShellOptions extends Omit<ExecOptions, 'stdin' | 'stderr' | 'encoding'> {
  /** The shell and its arguments. Default `['sh', '-i']`. */
  readonly command?: readonly string[];
}

/**
 * A place where commands run: they share its files, its processes and its network, and are kept from all others.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { localBackend } from 'sandbox-rx/node';
 *
 * await using sandbox = await new SandboxClient(localBackend()).create();
 * const { stdout } = await sandbox.exec(['uname', '-s']);
 * ```
 */
export class Sandbox {
  /** The sandbox's id. */
  readonly id: string;
  /** Its files. */
  readonly files: SandboxFiles;
  readonly #backend: SandboxBackend;
  #processes$: Observable<readonly ProcessInfo[]> | undefined;

  /** @internal */
  constructor(backend: SandboxBackend, id: string) {
    this.#backend = backend;
    this.id = id;
    this.files = new SandboxFiles(backend, id);
  }

  /** What can be done in it: what its backend can do. */
  get capabilities(): Capabilities {
    return this.#backend.capabilities;
  }

  /**
   * Starts a command now and hands it over as a {@link Process}.
   *
   * @param command - An argv array: the program, then its arguments. No shell interprets it.
   * @throws {@link SandboxValidationError} at once, for a bad command or option. All else is the run's error.
   *
   * @example
   * ```ts
   * import type { Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * const process = sandbox.exec(['npm', 'test'], { timeoutMs: 60_000 });
   * process.stdout$.subscribe(console.log);
   * console.log('exit status', await process.wait());
   * ```
   */
  exec(
    command: readonly string[],
    options: ExecOptions & { readonly encoding: 'buffer' },
  ): Process<Uint8Array>;
  exec(command: readonly string[], options?: ExecOptions): Process;
  exec(command: readonly string[], options: ExecOptions = {}): Process | Process<Uint8Array> {
    this.#check(command, options);
    return options.encoding === 'buffer'
      ? this.#start<Uint8Array>(command, options)
      : this.#start<string>(command, options);
  }

  /**
   * A command as a cold Observable of its events: each subscription runs it, unsubscribing kills it.
   *
   * ```text
   * exec$(['make'])   --o--e--o--(x|)     o = stdout, e = stderr, x = exit
   * unsubscribed      --o--e!             the process tree is killed
   * ```
   *
   * @throws {@link SandboxValidationError} at once, for a bad command or option.
   *
   * @example
   * ```ts
   * import { lines, stdout, type Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * sandbox.exec$(['ping', 'localhost']).pipe(stdout(), lines()).subscribe(console.log);
   * ```
   */
  exec$(command: readonly string[], options: RunOptions = {}): Observable<ProcessEvent> {
    checkCommand(command);
    checkRunOptions(options);
    return execute({ backend: this.#backend, sandboxId: this.id, command, options });
  }

  /**
   * A command as a cold Observable of its one {@link ProcessResult}.
   *
   * ```text
   * run$(['make'])   -----------(r|)
   * ```
   *
   * @throws {@link SandboxValidationError} at once, for a bad command or option.
   *
   * @example
   * ```ts
   * import { switchMap, type Observable } from 'rxjs';
   * import type { Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * declare const code$: Observable<string>;
   * // Each new code kills the run of the one before.
   * code$.pipe(switchMap((code) => sandbox.run$(['python3', '-c', code]))).subscribe(({ stdout }) => console.log(stdout));
   * ```
   */
  run$(
    command: readonly string[],
    options: Omit<ExecOptions, 'stdin'> & Pick<RunOptions, 'stdin'> = {},
  ): Observable<ProcessResult> {
    this.#check(command, options);
    // Nobody could write to it.
    if (typeof options.stdin === 'boolean') refuse('stdin', 'a source', options.stdin);
    return new Observable((subscriber) => {
      const process = this.#start<string>(command, options);
      process.result$.subscribe(subscriber);
      return () => process.cancel();
    });
  }

  /**
   * An interactive shell on a terminal: write keys to `stdin`, show `stdout$`, and call `resize`.
   *
   * @throws {@link UnsupportedError} as the run's error, where the backend has no terminals.
   */
  shell(options: ShellOptions = {}): Process {
    checkRecord('options', options);
    const { command = ['sh', '-i'], ...rest } = options;
    return this.exec(command, { tty: true, ...rest, stdin: true });
  }

  /**
   * Observes a run that somebody else started, by its id: what is kept of its output, then what comes. Where an event's
   * `offset` jumps, what is between is not kept any more. Cancelling this handle only stops observing. Only the starter
   * knows the argv: this handle's `command` is the id.
   *
   * @throws {@link SandboxValidationError} at once, for a bad id or option.
   * @throws {@link SandboxNotFoundError} as the run's error, where there is none.
   * @throws {@link UnsupportedError} as the run's error, where the backend has no attachments.
   *
   * @example
   * ```ts
   * import type { Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * // In one program, which may end before the build does:
   * sandbox.exec(['make'], { id: 'build', onDisconnect: 'detach' });
   * // In another one:
   * const { returncode } = await sandbox.attach('build');
   * ```
   */
  attach(id: string, options: AttachOptions = {}): Process {
    requireText('id', id);
    if (id === '') refuse('id', 'not empty', id);
    checkRecord('options', options);
    const { from = {}, ...processOptions } = options;
    checkRecord('from', from);
    checkInteger('from.stdout', from.stdout, { min: 0 });
    checkInteger('from.stderr', from.stderr, { min: 0 });
    const controls = new RunControls(this.id, (signal) => this.#signal(id, signal), noInput);
    const { paused$ } = controls;
    const request = { sandboxId: this.id, runId: id, from, lifecycle: controls, paused$ };
    // Who only observes has nothing of its own to be closed.
    const source = this.#backend.attach(request).pipe(finalize(() => controls.closed()));
    return new Process(source, [id], { ...processOptions, id, controls });
  }

  /**
   * The processes there are now, oldest first: those that go on, and those that have ended and can still be attached to.
   *
   * @throws {@link SandboxNotFoundError} through the operation, where there is no such sandbox.
   * @throws {@link UnsupportedError} through the operation, where the backend keeps no list of them.
   */
  processes(): OperationRef<readonly ProcessInfo[]> {
    return startOperation<readonly ProcessInfo[]>(
      this.#backend.processes.list(this.id).pipe(toArray()),
    );
  }

  /**
   * The processes there are, whoever started them, and the whole list again at each change; completes when the sandbox has
   * ended. A process stays in it as long as it can be attached to: one whose id was chosen for a while after its end.
   * One watch of the backend serves all who subscribe; who comes later is given the newest list at once.
   *
   * ```text
   * processes$   a--b--c--(d|)     a = [], b = [one running], c = [one exited], d = []
   * ```
   *
   * @throws {@link SandboxNotFoundError} through the Observable, where there is no such sandbox.
   * @throws {@link UnsupportedError} through the Observable, where the backend keeps no list of them.
   *
   * @example
   * ```ts
   * import type { Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * sandbox.processes$.subscribe((processes) => {
   *   for (const { id, command, state } of processes) console.log(id, state, command.join(' '));
   * });
   * ```
   */
  get processes$(): Observable<readonly ProcessInfo[]> {
    return (this.#processes$ ??= liveList({
      watch: (listed) => this.#backend.processes.watch(this.id, listed),
      isLast: ({ forgotten }) => forgotten === true,
      beginOf: ({ startedAtMs }) => startedAtMs,
    }));
  }

  /**
   * The output of the main command, in the order in which it came. Only the last of it is kept, and the command
   * waits for nobody who reads its logs: where the first offset of a stream is not 0, or a later one jumps, that many bytes
   * are missing, or were not asked for.
   *
   * @throws {@link SandboxValidationError} at once, for a bad option.
   * @throws {@link UnsupportedError} through the Observable, for `tailLines`, `sinceMs` or `timestamps` where the backend has
   *   no such thing.
   */
  logs$(options: LogsOptions = {}): Observable<OutputEvent> {
    checkLogsOptions(options);
    const { follow = false } = options;
    return this.#backend.logs({ ...options, sandboxId: this.id, follow, paused$: NEVER });
  }

  /**
   * Takes a snapshot of one of the sandbox's volumes, and settles when it can be restored. Cancelling before that leaves
   * nothing. Commands may go on: what they write meanwhile may be in it or not, file by file.
   *
   * @param options - `volume`: its name. Default: the only one.
   * @throws {@link SandboxValidationError} through the operation, where there is no such volume, or no only one.
   * @throws {@link UnsupportedError} through the operation, where the backend keeps no snapshots.
   *
   * @example
   * ```ts
   * import type { SandboxClient } from 'sandbox-rx';
   *
   * declare const client: SandboxClient;
   * const sandbox = await client.create({ volumes: [{ name: 'work', mountPath: 'work' }] });
   * await sandbox.exec(['git', 'clone', 'https://example.com/repository', 'work']);
   * const { id, sizeBytes } = await sandbox.snapshot();
   * ```
   *
   * @see {@link Snapshots} for what can be done with it.
   */
  snapshot(options: { readonly volume?: string } = {}): OperationRef<SnapshotInfo> {
    checkRecord('options', options);
    checkText('volume', options.volume);
    return startOperation(this.#backend.snapshots.take({ ...options, sandboxId: this.id }));
  }

  /** How the sandbox stands now. */
  status(): OperationRef<SandboxInfo> {
    return startOperation(this.#backend.get(this.id));
  }

  /**
   * Waits until the sandbox is no longer running.
   *
   * @throws {@link SandboxNotFoundError} (rejection) where there is none, or none any more.
   */
  wait(timeout?: number | WaitOptions): Promise<SandboxInfo> {
    // Of one that does not exist there is nothing to watch.
    const ended$ = merge(this.#backend.watch({}), this.#backend.get(this.id)).pipe(
      filter(({ id, status }) => id === this.id && status !== 'running'),
      take(1),
    );
    return waitFor(ended$, timeout);
  }

  /** Ends all of its processes. Its status and logs stay. */
  stop(): OperationRef<SandboxInfo> {
    return startOperation(this.#backend.stop(this.id));
  }

  /** Ends all of its processes and removes everything; settles when nothing is left. */
  delete(): OperationRef<void> {
    return startOperation<void>(this.#backend.delete(this.id), undefined);
  }

  /** Deletes the sandbox at the end of an `await using` block, where that has not deleted it already. */
  async [Symbol.asyncDispose](): Promise<void> {
    await startOperation<void>(ensureDeleted(this.#backend, this.id), undefined);
  }

  #check(command: readonly string[], options: ExecOptions): void {
    checkCommand(command);
    checkProcessOptions(options);
    checkRunOptions(withoutFlag(options));
  }

  /**
   * @internal A run to be subscribed to once, by who steers it itself. Nothing is checked. `stdin$` takes the place of
   * `options.stdin`.
   */
  open(command: readonly string[], options: ExecOptions, stdin$?: Observable<StdinWrite>): OpenRun {
    const id = options.id ?? newId();
    const controls = new RunControls(this.id, (signal) => this.#signal(id, signal), {
      stdin: options.stdin === true,
      tty: options.tty !== undefined && options.tty !== false,
    });
    const execution = {
      backend: this.#backend,
      sandboxId: this.id,
      id,
      command,
      controls,
      options: withoutFlag(options),
      ...(stdin$ && { stdin$ }),
    };
    return { id, controls, events$: execute(execution) };
  }

  #start<T extends Chunk>(command: readonly string[], options: ExecOptions): Process<T> {
    const { id, controls, events$ } = this.open(command, options);
    return new Process<T>(events$, command, { controls, ...options, id });
  }

  #signal(runId: string, signal: string): Observable<never> {
    return this.#backend.signal({ sandboxId: this.id, runId, signal });
  }
}

/** The options of the run itself: whether its handle has a writer is none of them. */
function withoutFlag(options: ExecOptions): RunOptions {
  const { stdin, ...rest } = options;
  if (typeof stdin === 'boolean' || stdin === undefined) return rest;
  return { ...rest, stdin };
}
