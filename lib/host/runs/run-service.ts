import { concat, defer, ignoreElements, of, type Observable } from 'rxjs';
import { ConnectionLostError, SandboxNotFoundError } from '../../process/errors/errors.js';
import { newId } from '../../process/new-id.js';
import { checkSignalName } from '../../process/validate.js';
import { ExecStreamInit } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  OnDisconnect,
  type SignalProcessRequest,
  type SignalProcessResponse,
  type StartProcessRequest,
  type StartProcessResponse,
} from '../../wire/generated/sandboxrx/v1/runs.js';
import { RunOptions } from '../../wire/generated/sandboxrx/v1/sandboxrx.js';
import { badField, checkEnum, checkField, checkId } from '../bad-field.js';
import type { CallContext } from '../call.js';
import { checkedCommand, checkRunOptions } from '../check-command.js';
import type { HostSandbox } from '../host-sandbox.js';
import type { Sandboxes } from '../sandboxes.js';
import type { HeldRun, WantedRun } from './held-run.js';
import { SandboxRuns, type Observer, type SandboxRunsConfig } from './sandbox-runs.js';
import type { Place } from './place.js';

/** What a service of runs needs. */
export interface RunServiceConfig extends SandboxRunsConfig {
  readonly sandboxes: Sandboxes;
  /** Output in one message at most, in bytes. */
  readonly maxFrameBytes: number;
}

/** Which run. */
export type RunIds = Readonly<Record<'sandboxId' | 'runId', string>>;

/** Runs that are found by their ids: started once, observed by any number, written to by one. */
export class RunService {
  /** Another one for each host: what a caller knows of an earlier one is over. */
  readonly epoch: string = newId();
  readonly #config: RunServiceConfig;
  readonly #runs: WeakMap<HostSandbox, SandboxRuns> = new WeakMap();

  constructor(config: RunServiceConfig) {
    this.#config = config;
  }

  get maxFrameBytes(): number {
    return this.#config.maxFrameBytes;
  }

  start(
    request: StartProcessRequest,
    { caller }: Pick<CallContext, 'caller'>,
  ): Observable<StartProcessResponse> {
    return defer(() => {
      const { sandboxId = '' } = request.init ?? {};
      const wanted = this.#wanted(request, caller);
      return of({ epoch: this.epoch, started: this.#of(sandboxId).start(wanted) });
    });
  }

  signal({ sandboxId, runId, signal }: SignalProcessRequest): Observable<SignalProcessResponse> {
    return defer(() => {
      const backendId = this.#config.sandboxes.running(sandboxId);
      checkField('signal', () => {
        checkSignalName('signal', signal);
      });
      const sent$ = this.#config.backend.signal({ sandboxId: backendId, runId, signal });
      return concat(sent$.pipe(ignoreElements()), of({}));
    });
  }

  /** The place of an observer. @throws SandboxError */
  place(sandboxId: string, observer: Observer): Place {
    checkId('open.run_id', observer.runId);
    checkId('open.observer_id', observer.observerId);
    return this.#of(sandboxId).place(observer);
  }

  /** A run that was started by {@link start} and goes on, where it is one. */
  held(sandboxId: string, runId: string): HeldRun | undefined {
    return this.#of(sandboxId).held(runId);
  }

  /** What a caller knows of a host before this one is over. @throws ConnectionLostError */
  checkEpoch(epoch: string, { sandboxId, runId }: RunIds): void {
    if (epoch === '' || epoch === this.epoch) return;
    const text = `the host was restarted, and the run ${runId} ended with it; its outcome is not known`;
    throw new ConnectionLostError(text, { sandboxId, runId });
  }

  #of(sandboxId: string): SandboxRuns {
    const sandbox = this.#config.sandboxes.get(sandboxId);
    const known = this.#runs.get(sandbox);
    if (known !== undefined) return known;
    const runs = new SandboxRuns(sandbox, this.#config);
    this.#runs.set(sandbox, runs);
    return runs;
  }

  #wanted(request: StartProcessRequest, caller: string | undefined): WantedRun {
    const { init = ExecStreamInit.create(), options = RunOptions.create() } = request;
    const { requestId, stdin: hasStdin, onDisconnect } = request;
    const sandboxId = this.#config.sandboxes.running(init.sandboxId, init.container);
    checkRunOptions('options', options);
    for (const [field, id] of Object.entries({ run_id: options.runId, request_id: requestId })) {
      checkId(field, id);
      if (id === '') throw badField(field, 'it must be given');
    }
    checkEnum('on_disconnect', onDisconnect, OnDisconnect);
    const { runId: id, killSignal, killGraceMs, drainGraceMs } = options;
    return {
      requestId,
      hasStdin,
      caller,
      onDisconnect: onDisconnect === OnDisconnect.ON_DISCONNECT_DETACH ? 'detach' : 'kill',
      request: {
        sandboxId,
        id,
        killGraceMs,
        drainGraceMs,
        ...checkedCommand(init, options),
        killSignal: killSignal || 'SIGTERM',
      },
    };
  }
}

/** The error of who asks for a run that there is not, or not any more. */
export function noSuchRun(ids: RunIds): SandboxNotFoundError {
  return new SandboxNotFoundError(`there is no live run ${ids.runId}`, ids);
}
