import { toArray } from 'rxjs';
import type { ProcessInfo, SandboxBackend } from '../../sandbox/backend.js';
import { Sandbox } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  Process,
  type ListProcessesRequest,
  type ListProcessesResponse,
  type WatchProcessesRequest,
  type WatchProcessesResponse,
  type WatchSandboxesRequest,
  type WatchSandboxesResponse,
} from '../../wire/generated/sandboxrx/v1/watches.js';
import { processMessageOf } from '../../wire/process-info.js';
import { sees } from '../auth/scope.js';
import type { HostStream } from '../call.js';
import { runner } from '../runner.js';
import type { Sandboxes } from '../sandboxes.js';
import { FeedTeller } from './feed-teller.js';
import type { Changes } from './feed.js';
import { pieces, type Piece } from './pieces.js';
import { ProcessFeeds } from './process-feeds.js';
import type { FeedSandbox } from './sandbox-feed.js';

/** WatchService: lists that stay up to date. */
export class WatchService {
  readonly #sandboxes: Sandboxes;
  readonly #processes: ProcessFeeds;

  constructor(backend: SandboxBackend, sandboxes: Sandboxes) {
    this.#sandboxes = sandboxes;
    this.#processes = new ProcessFeeds(backend);
  }

  listProcesses(
    { sandboxId }: ListProcessesRequest,
    stream: HostStream<never, ListProcessesResponse>,
  ): void {
    unlessRefused(stream, () => {
      const asking = this.#processes
        .list(this.#sandboxes.get(sandboxId))
        .pipe(toArray())
        .subscribe({
          next: (infos) => {
            for (const { items } of processPieces(infos)) stream.send({ processes: [...items] });
            stream.end();
          },
          error: (error: unknown) => {
            stream.fail(error);
          },
        });
      stream.listen({
        message: () => undefined,
        halfClosed: () => undefined,
        cancelled: () => {
          asking.unsubscribe();
        },
      });
    });
  }

  watchProcesses(
    { sandboxId, after }: WatchProcessesRequest,
    stream: HostStream<never, WatchProcessesResponse>,
  ): void {
    unlessRefused(stream, () => {
      const { feed, left } = this.#processes.join(this.#sandboxes.get(sandboxId));
      const sees = (): boolean => true;
      new FeedTeller({ feed, after, sees, messagesOf: processMessages }, stream).tell(left);
    });
  }

  watchSandboxes(
    { after }: WatchSandboxesRequest,
    stream: HostStream<never, WatchSandboxesResponse>,
  ): void {
    const { feed } = this.#sandboxes;
    const telling = {
      ...{ feed, after, messagesOf: sandboxMessages },
      sees: ({ id }: FeedSandbox): boolean => sees(stream, id),
    };
    new FeedTeller(telling, stream).tell(() => undefined);
  }
}

function unlessRefused<Response>(stream: HostStream<never, Response>, answer: () => void): void {
  try {
    answer();
  } catch (error) {
    stream.fail(error);
  }
}

function processPieces(infos: readonly ProcessInfo[]): Iterable<Piece<Process>> {
  return pieces(infos, processMessageOf, (message) => Process.encode(message).finish().length);
}

function* processMessages({
  isReset,
  items,
  cursor,
}: Changes<ProcessInfo>): Generator<WatchProcessesResponse, void> {
  for (const { items: processes, isFirst, isLast } of processPieces(items))
    yield {
      ...{ reset: isReset && isFirst, processes: [...processes] },
      cursor: isLast ? cursor : undefined,
    };
}

/** A sandbox, or the id of one that is there no more. */
type ToldSandbox = Sandbox | string;

function* sandboxMessages({
  isReset,
  items,
  cursor,
}: Changes<FeedSandbox>): Generator<WatchSandboxesResponse, void> {
  const make = ({ id, sandbox }: FeedSandbox): ToldSandbox => sandbox?.record.message(runner) ?? id;
  const sizeOf = (told: ToldSandbox): number =>
    typeof told === 'string' ? told.length : Sandbox.encode(told).finish().length;
  for (const { items: told, isFirst, isLast } of pieces(items, make, sizeOf))
    yield {
      reset: isReset && isFirst,
      sandboxes: told.filter((one) => typeof one !== 'string'),
      deletedIds: told.filter((one) => typeof one === 'string'),
      cursor: isLast ? cursor : undefined,
    };
}
