import { catchError, concatMap, Observable, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { SandboxNotFoundError } from '../../../process/errors/errors.js';
import type { BackendProcesses, ProcessInfo } from '../../../sandbox/backend.js';
import type { WatchProcessesResponse } from '../../../wire/generated/sandboxrx/v1/watches.js';
import { processInfoOf } from '../../../wire/process-info.js';
import { listProcesses, watchProcesses } from '../methods.js';
import type { RpcTransport } from '../rpc-transport.js';
import { lacking } from '../runs/lacking.js';
import { streamed } from '../streamed.js';
import { followed, type Batch } from './followed.js';
import { ToldProcesses } from './told-processes.js';

/** How long calls about processes may take. */
interface RpcProcessesConfig {
  readonly requestTimeoutMs: number;
  readonly retryBudgetMs: number;
}

/** The processes of sandboxes, of a host of ours. */
export class RpcProcesses implements BackendProcesses {
  readonly #transport: RpcTransport;
  readonly #config: RpcProcessesConfig;

  constructor(transport: RpcTransport, config: RpcProcessesConfig) {
    this.#transport = transport;
    this.#config = config;
  }

  list(sandboxId: string): Observable<ProcessInfo> {
    const { requestTimeoutMs: timeoutMs } = this.#config;
    const options = { subject: { sandboxId }, timeoutMs };
    const request = { sandboxId };
    return streamed(this.#transport, { method: listProcesses, request, options }).pipe(
      concatMap(({ processes }) => processes.map(processInfoOf)),
      unlessLacking(),
    );
  }

  watch(sandboxId: string, listed?: () => void): Observable<ProcessInfo> {
    return new Observable((subscriber) => {
      const told = new ToldProcesses();
      const batches$ = followed(this.#transport, {
        ...{ method: watchProcesses, options: { subject: { sandboxId } } },
        requestOf: (after) => ({ sandboxId, after }),
        retryBudgetMs: this.#config.retryBudgetMs,
      });
      let isListed = false;
      const tell = (infos: Iterable<ProcessInfo>): void => {
        for (const info of infos) subscriber.next(info);
      };
      return batches$.pipe(unlessLacking()).subscribe({
        next: (batch) => {
          tell(told.changesOf({ isReset: batch.isReset, infos: infosOf(batch) }));
          if (!isListed) listed?.();
          isListed = true;
        },
        error: (error: unknown) => {
          // It was there, and the watch broke: it has gone meanwhile, and all of its processes with it.
          const isGone = isListed && error instanceof SandboxNotFoundError;
          if (isGone) tell(told.changesOf({ isReset: true, infos: [] }));
          if (isGone) subscriber.complete();
          else subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
    });
  }
}

function infosOf({ messages }: Batch<WatchProcessesResponse>): readonly ProcessInfo[] {
  return messages.flatMap(({ processes }) => processes.map(processInfoOf));
}

function unlessLacking<T>(): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) => throwError(() => lacking('processes', error)));
}
