import { defer, EMPTY, map, NEVER, Observable, of, tap, type SchedulerLike } from 'rxjs';
import { SandboxExecutionError, SandboxNotFoundError } from '../../process/errors/errors.js';
import { LiveMap } from '../../process/live-map.js';
import type { ProcessEvent } from '../../process/process-event.js';
import type { StdinWrite } from '../../process/stdin.js';
import { checkRecord, checkScheduler, refuse } from '../../process/validate.js';
import type { ExecRequest, SignalRequest } from '../../sandbox/backend.js';
import { EmbeddedBackend } from '../../sandbox/embedded-backend.js';
import type { SandboxEngine } from '../../sandbox/sandbox-engine.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { memoryFiles, type MemoryFile } from './memory-files.js';
import { MemorySnapshots } from './memory-snapshots.js';
import { MemoryRun } from './memory-run.js';
import type { Program, ProgramContext } from './program.js';
import { turnScheduler } from './turn-scheduler.js';

/** Options for {@link memoryBackend}. */
export interface MemoryBackendOptions {
  /** What each command does, by the name of its program. A name that is not here is a command that is not found. */
  readonly programs?: Readonly<Record<string, Program>>;
  /** Where time comes from, such as a `TestScheduler`. Default: that of `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** What became of a run. */
export interface RecordedRun {
  readonly id: string;
  readonly sandboxId: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** `cancelled`: it was unsubscribed before its exit. */
  readonly state: 'running' | 'exited' | 'failed' | 'cancelled';
}

/** One sandbox in memory. */
export interface MemoryBox {
  readonly spec: SandboxSpec;
  readonly files: Map<string, MemoryFile>;
  readonly live: LiveMap<string, MemoryRun>;
  readonly now: () => number;
}

/** A backend whose programs are scripts; see {@link memoryBackend}. */
export class MemoryBackend extends EmbeddedBackend<MemoryBox> {
  readonly #engine: MemoryEngine;

  /** @internal */
  constructor(engine: MemoryEngine) {
    super(engine);
    this.#engine = engine;
  }

  /** Every run so far, in the order in which they were started. */
  get runs(): readonly RecordedRun[] {
    return this.#engine.runs.map((run) => ({ ...run }));
  }
}

/**
 * A backend that runs scripted programs on an injectable scheduler, for tests of what is built on sandboxes: runs are
 * cold, are killed by unsubscribing, can be paused, written to and attached to, and are recorded.
 *
 * Limits and networks of a sandbox, and sizes of its volumes, have no meaning here and are accepted. Snapshots last as
 * long as the backend.
 *
 * ```text
 * programs: { build: [out('a'), delay(2), out('b'), exit(0)] }
 * exec$(['build'])   a-b(x|)
 * ```
 *
 * @throws {@link SandboxValidationError} at once, for bad options.
 *
 * @example
 * ```ts
 * import { SandboxClient } from 'sandbox-rx';
 * import { exit, memoryBackend, out } from 'sandbox-rx/testing';
 *
 * const backend = memoryBackend({ programs: { deploy: [out('ok\n'), exit(0)] } });
 * const sandbox = await new SandboxClient(backend).create();
 * await sandbox.exec(['deploy', 'staging']);
 * console.log(backend.runs[0]?.command); // ['deploy', 'staging']
 * ```
 */
export function memoryBackend(options: MemoryBackendOptions = {}): MemoryBackend {
  checkRecord('options', options);
  const { programs = {}, scheduler } = options;
  checkRecord('programs', programs);
  for (const [name, program] of Object.entries(programs)) {
    const isProgram = Array.isArray(program) || typeof program === 'function';
    if (!isProgram) refuse(`programs.${name}`, 'an array of steps or a function', program);
  }
  checkScheduler('scheduler', scheduler);
  return new MemoryBackend(new MemoryEngine(options));
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

class MemoryEngine implements SandboxEngine<MemoryBox> {
  readonly name: string = 'memory';
  readonly capabilities: SandboxEngine<MemoryBox>['capabilities'] = {
    tty: true,
    signals: true,
    attach: true,
    processes: true,
    files: true,
    snapshots: true,
    services: false,
    backpressure: true,
    isolation: true,
  };
  readonly files: typeof memoryFiles = memoryFiles;
  readonly runs: Mutable<RecordedRun>[] = [];
  readonly scheduler: SchedulerLike;
  readonly snapshots: MemorySnapshots = new MemorySnapshots();
  readonly #programs: Readonly<Record<string, Program>>;

  constructor({ programs = {}, scheduler = turnScheduler }: MemoryBackendOptions) {
    this.#programs = programs;
    this.scheduler = scheduler;
  }

  open(_id: string, spec: SandboxSpec): Observable<MemoryBox> {
    return defer(() => {
      const now = (): number => this.scheduler.now();
      const box: MemoryBox = { spec, files: new Map(), live: new LiveMap(), now };
      this.snapshots.mount(box);
      return of(box);
    });
  }

  died(): Observable<never> {
    return NEVER;
  }

  close({ live }: MemoryBox): Observable<never> {
    return new Observable((subscriber) => {
      for (const run of live.values()) run.signal('SIGKILL');
      subscriber.complete();
    });
  }

  signal({ live }: MemoryBox, { runId, signal }: SignalRequest): Observable<never> {
    return new Observable((subscriber) => {
      const run = live.get(runId);
      if (run === undefined) {
        subscriber.error(new SandboxNotFoundError(`there is no live run ${runId}`, { runId }));
        return;
      }
      run.signal(signal);
      subscriber.complete();
    });
  }

  spawn(box: MemoryBox, request: ExecRequest): Observable<ProcessEvent> {
    return defer(() => {
      const record = this.#record(request);
      return this.#start(box, request).pipe(
        tap({
          next: ({ type }) => {
            if (type === 'exit') record.state = 'exited';
          },
          error: () => {
            record.state = 'failed';
          },
          unsubscribe: () => {
            // Whoever waited for the exit leaves when it is told.
            if (record.state === 'running') record.state = 'cancelled';
          },
        }),
      );
    });
  }

  #start(box: MemoryBox, request: ExecRequest): Observable<ProcessEvent> {
    return new Observable((subscriber) => {
      const { id, command, lifecycle } = request;
      subscriber.add(() => {
        box.live.delete(id);
        lifecycle.closed();
      });
      const program = this.#programs[command[0] ?? ''];
      if (program === undefined) {
        subscriber.error(notFound(request));
        return;
      }
      const run = new MemoryRun(subscriber, this.scheduler, request);
      box.live.set(id, run);
      lifecycle.started();
      run.start(typeof program === 'function' ? program(contextOf(box, request, run)) : program);
    });
  }

  #record({ id, sandboxId, command, env, cwd = '.' }: ExecRequest): Mutable<RecordedRun> {
    const record: Mutable<RecordedRun> = { id, sandboxId, command, env, cwd, state: 'running' };
    this.runs.push(record);
    return record;
  }
}

function contextOf({ spec }: MemoryBox, request: ExecRequest, run: MemoryRun): ProgramContext {
  const input$ = request.stdin$ ?? EMPTY;
  const take = (write: StdinWrite): Uint8Array => {
    // What was accepted is the writer's again, to be used for the next.
    const data = write.data.slice();
    write.accepted();
    return data;
  };
  return {
    command: request.command,
    cwd: directoryOf(spec.cwd, request.cwd),
    env: { ...spec.env, ...request.env },
    stdin$: input$.pipe(map(take)),
    signal$: run.signal$,
    tty: request.tty,
    size$: request.size$,
  };
}

/** Where a run starts: a relative directory is one of the sandbox's. */
function directoryOf(ofSandbox: string | undefined, own: string | undefined): string {
  if (own === undefined) return ofSandbox ?? '.';
  return ofSandbox === undefined || own.startsWith('/') ? own : `${ofSandbox}/${own}`;
}

function notFound({ command, id: runId, sandboxId }: ExecRequest): SandboxExecutionError {
  return new SandboxExecutionError(
    'not_found',
    `${command[0] ?? ''}: no program of this name is scripted`,
    {
      runId,
      sandboxId,
    },
  );
}
