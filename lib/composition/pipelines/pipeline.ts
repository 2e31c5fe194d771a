import { defer, type Observable } from 'rxjs';
import type { Chunk } from '../../process/chunk-decoder.js';
import type { ExitEvent, OutputEvent, StageStatus } from '../../process/process-event.js';
import { checkProcessOptions, type ProcessOptions } from '../../process/process-options.js';
import { Process } from '../../process/process.js';
import { checkCommand, checkRecord, refuse } from '../../process/validate.js';
import { checkRunOptions, type RunOptions } from '../../sandbox/exec-options.js';
import { Sandbox } from '../../sandbox/sandbox.js';
import { PipelineRun } from './pipeline-run.js';

/** One command of a pipeline, and where it runs. */
export interface PipelineStage {
  readonly sandbox: Sandbox;
  /** An argv array: the program, then its arguments. */
  readonly command: readonly string[];
  /** How it is run. Only the first stage can have a `stdin`: that of all others is the output of the one before. */
  readonly options?: Omit<RunOptions, 'check' | 'tty'>;
}

/**
 * What a pipeline emits: the `stdout` of its last command, the `stderr` of all of them, each with the number of its `stage`
 * from 0, and one `exit` when all have ended. It is a {@link ProcessEvent}, so all operators take it. The `stderr` of all
 * stages is one stream, in which the offsets count on.
 */
export type PipelineEvent =
  | (OutputEvent & { readonly stage: number })
  | (ExitEvent & { readonly stages: readonly StageStatus[] });

/** How the handle of a pipeline keeps its output. */
export type PipelineOptions = Omit<ProcessOptions, 'id' | 'controls'>;

/**
 * Commands whose output is the next one's input, to be run like one command; see {@link pipeProcesses}. Nothing runs
 * before it is asked to.
 */
export class Pipeline {
  readonly #stages: readonly PipelineStage[];

  /** @internal */
  constructor(stages: readonly PipelineStage[]) {
    this.#stages = stages;
  }

  /**
   * The pipeline as a cold Observable of its events: each subscription runs all commands, unsubscribing kills them all.
   *
   * ```text
   * exec$()        --e--o--o----(x|)     e = stderr of any stage, o = stdout of the last, x = exit with all statuses
   * unsubscribed   --e--o!               all process trees are killed
   * ```
   */
  exec$(): Observable<PipelineEvent> {
    return defer(() => new PipelineRun(this.#stages).events$);
  }

  /**
   * Starts all commands now and hands them over as one {@link Process}. Who reads its `stdout` at his own pace makes them all
   * wait. `kill(signal)` reaches every command that still runs; `cancel()` ends them all.
   *
   * @throws {@link SandboxValidationError} at once, for a bad option. All else is the run's error.
   *
   * @example
   * ```ts
   * import { pipeProcesses, type Sandbox } from 'sandbox-rx';
   *
   * declare const sandbox: Sandbox;
   * declare function store(line: string): Promise<void>;
   * const process = pipeProcesses(
   *   { sandbox, command: ['journalctl', '-f'] },
   *   { sandbox, command: ['grep', '--line-buffered', 'sshd'] },
   * ).exec();
   * for await (const line of process.stdout.lines()) await store(line); // both commands wait for the store
   * ```
   */
  exec(options: PipelineOptions & { readonly encoding: 'buffer' }): Process<Uint8Array>;
  exec(options?: PipelineOptions): Process;
  exec(options: PipelineOptions = {}): Process | Process<Uint8Array> {
    checkProcessOptions(options);
    return options.encoding === 'buffer'
      ? this.#start<Uint8Array>(options)
      : this.#start<string>(options);
  }

  #start<T extends Chunk>(options: PipelineOptions): Process<T> {
    const run = new PipelineRun(this.#stages);
    const command = this.#stages.flatMap(({ command: words }, index) =>
      index === 0 ? words : ['|', ...words],
    );
    return new Process<T>(run.events$, command, { ...options, controls: run });
  }
}

/**
 * A shell's pipeline across any sandboxes and backends: the standard output of each command is the standard input of the
 * next one.
 *
 * Bytes flow no faster than the last command is read: each command waits for the one behind it, down to the first one's
 * `write(2)`. A command that ends, or closes its input, before the one in front of it has written everything, breaks the
 * pipe: who writes into it gets a `SIGPIPE`, and is ended where it goes on writing all the same. Where the backend cannot
 * send signals it is ended at once, and its status is not known.
 *
 * The exit status is that of bash with `pipefail`: of the last command that did not succeed, with 141 for one that a broken
 * pipe ended; 0 where all did. `stages`, in the exit event and the result, holds the status of each (bash's `PIPESTATUS`). A
 * command that cannot be started, or whose end is not known, is the pipeline's error, and all others are killed.
 *
 * ```text
 * a          --A---A--x                    A = output of a, which b reads
 * b          ----B----B--x                 B = output of b, which c reads
 * c          ------o----o--x               o = output of c
 * exec$()    ------o----o--(x|)
 * ```
 *
 * @param stages - One command or more.
 * @throws {@link SandboxValidationError} at once, for a bad stage.
 *
 * @example
 * ```ts
 * import { pipeProcesses, type Sandbox } from 'sandbox-rx';
 *
 * declare const here: Sandbox;
 * declare const there: Sandbox;
 * const { stdout, returncode, stages } = await pipeProcesses(
 *   { sandbox: here, command: ['cat', 'access.log'] },
 *   { sandbox: there, command: ['grep', 'POST'] },
 *   { sandbox: there, command: ['wc', '-l'] },
 * ).exec();
 * if (returncode !== 0) console.error(stages?.map((stage) => stage.returncode));
 * ```
 *
 * @see {@link https://www.gnu.org/software/bash/manual/html_node/Pipelines.html | Bash, Pipelines}
 */
export function pipeProcesses(...stages: readonly [PipelineStage, ...PipelineStage[]]): Pipeline {
  if (stages.length === 0) refuse('stages', 'one command or more', stages);
  for (const [index, stage] of stages.entries()) checkStage(stage, index);
  return new Pipeline(stages);
}

function checkStage(stage: PipelineStage, index: number): void {
  const name = `stages[${index}]`;
  checkRecord(name, stage);
  const { sandbox, command, options = {} } = stage;
  if (!(sandbox instanceof Sandbox)) refuse(`${name}.sandbox`, 'a Sandbox', sandbox);
  checkCommand(command);
  checkRunOptions(options);
  if (index > 0 && options.stdin !== undefined)
    refuse(
      `${name}.options.stdin`,
      'left out: it is the output of the stage before',
      options.stdin,
    );
  for (const name of ['check', 'tty']) {
    if (name in options)
      refuse(`${name} of a stage`, 'left out; check is an option of exec()', true);
  }
}
