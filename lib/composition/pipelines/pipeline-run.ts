import { ignoreElements, merge, Observable, type Subscriber } from 'rxjs';
import { startOperation, type OperationRef } from '../../process/operation-ref.js';
import type { ProcessControls, RunLifecycle } from '../../process/process-controls.js';
import type { OutputEvent, StageStatus } from '../../process/process-event.js';
import type { PipelineEvent, PipelineStage } from './pipeline.js';
import { Pipe } from './pipe.js';
import { StageRun } from './stage-run.js';

/** The status of a command that died of `SIGPIPE`, as a shell tells it. */
const brokenPipeStatus = 141;

/** One run of a pipeline: its commands start together, and it is over when all of them are. */
export class PipelineRun implements ProcessControls {
  /** To be subscribed to once. */
  readonly events$: Observable<PipelineEvent>;
  readonly #stages: readonly StageRun[];
  #subscriber: Subscriber<PipelineEvent> | undefined;
  #lifecycle: RunLifecycle | undefined;
  /** Where standard error stands: that of all stages is one stream. */
  #stderrEnd = 0;
  /** Stages of which something may be left, and one for the starting of them. */
  #open = 1;

  constructor(stages: readonly PipelineStage[]) {
    const pipes = stages.slice(1).map(() => new Pipe());
    this.#stages = stages.map((stage, index) =>
      this.#stageOf(stage, index, { input: pipes[index - 1], output: pipes[index] }),
    );
    this.events$ = new Observable((subscriber) => {
      this.#subscriber = subscriber;
      subscriber.add(() => {
        for (const stage of this.#stages) stage.stop();
      });
      this.#start(subscriber);
    });
  }

  connect(lifecycle: RunLifecycle): void {
    this.#lifecycle = lifecycle;
  }

  pause(isPaused: boolean): void {
    for (const stage of this.#stages) stage.hold(isPaused);
  }

  /** As the keys of a terminal do, it reaches every command that still runs. */
  kill(signal: string): OperationRef<void> {
    const live = this.#stages.filter(({ status }) => status === undefined);
    const sent = live.map((stage) => stage.kill(signal).result$);
    return startOperation<void>(merge(...sent).pipe(ignoreElements()), undefined);
  }

  #stageOf(
    { sandbox, command, options = {} }: PipelineStage,
    index: number,
    pipes: Readonly<Record<'input' | 'output', Pipe | undefined>>,
  ): StageRun {
    const { scheduler } = options;
    return new StageRun(
      sandbox.open(command, options, pipes.input?.stdin$),
      { command, scheduler, ...pipes },
      {
        output: (event) => {
          this.#subscriber?.next(this.#tagged(event, index));
        },
        ended: () => {
          this.#finish();
        },
        failed: (error) => {
          this.#subscriber?.error(error);
        },
      },
    );
  }

  #start(subscriber: Subscriber<PipelineEvent>): void {
    const closed = (): void => {
      if (--this.#open === 0) this.#lifecycle?.closed();
    };
    const started = (): void => {
      this.#lifecycle?.started();
    };
    for (const stage of this.#stages) {
      // One that cannot be started has ended the pipeline.
      if (subscriber.closed) break;
      this.#open++;
      stage.start({ started, closed });
    }
    closed();
  }

  #tagged({ type, data, offset }: OutputEvent, stage: number): PipelineEvent {
    if (type === 'stdout') return { type, data, offset, stage };
    const event = { type, data, offset: this.#stderrEnd, stage };
    this.#stderrEnd += data.length;
    return event;
  }

  #finish(): void {
    const stages = this.#stages.flatMap(({ status }) => status ?? []);
    if (stages.length < this.#stages.length) return;
    this.#subscriber?.next({ type: 'exit', ...pipefail(stages), stages });
    this.#subscriber?.complete();
  }
}

/** What bash gives as the status of a pipeline with `set -o pipefail`. */
function pipefail(stages: readonly StageStatus[]): Pick<StageStatus, 'signal'> & {
  readonly returncode: number;
} {
  const failed = stages.findLast(({ returncode }) => returncode !== 0);
  if (failed === undefined) return { returncode: 0 };
  const { returncode, signal } = failed;
  return {
    returncode: returncode ?? brokenPipeStatus,
    ...(signal !== undefined && { signal }),
  };
}
