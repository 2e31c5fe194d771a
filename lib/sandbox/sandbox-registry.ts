import { catchError, from, Observable, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import { SandboxNotFoundError, SandboxValidationError } from '../process/errors/errors.js';
import { SandboxError } from '../process/errors/sandbox-error.js';
import { News } from './news.js';
import { RunRegistry } from './run-registry.js';
import { SandboxProcesses } from './sandbox-processes.js';
import {
  isDeleted,
  matches,
  type SandboxFilter,
  type SandboxInfo,
  type ScratchVolume,
} from './sandbox-spec.js';

/** A sandbox that lives in this program: what is told of it, its engine's own handle, its volumes, and its runs. */
export interface SandboxEntry<Box> {
  info: SandboxInfo;
  readonly box: Box;
  readonly volumes: readonly ScratchVolume[];
  readonly runs: RunRegistry;
  readonly processes: SandboxProcesses;
}

/** The sandboxes of one embedded backend, and who watches them. */
export class SandboxRegistry<Box> {
  readonly #entries: Map<string, SandboxEntry<Box>> = new Map();
  readonly #reserved: Set<string> = new Set();
  readonly #news: News<SandboxInfo> = new News(isDeleted);

  constructor() {
    this.#news.listed();
  }

  /** Takes an id before the sandbox exists, so that it cannot be made twice at once. */
  reserve(id: string): void {
    if (this.#entries.has(id) || this.#reserved.has(id)) {
      throw new SandboxValidationError(`there is a sandbox ${id} already; choose another id`, {
        sandboxId: id,
      });
    }
    this.#reserved.add(id);
  }

  release(id: string): void {
    this.#reserved.delete(id);
  }

  add(
    info: SandboxInfo,
    { box, volumes }: Pick<SandboxEntry<Box>, 'box' | 'volumes'>,
  ): SandboxEntry<Box> {
    const processes = new SandboxProcesses(info.id);
    const runs = new RunRegistry((error) => reasonToTell(entry, error));
    const entry: SandboxEntry<Box> = { info, box, volumes, runs, processes };
    this.#entries.set(info.id, entry);
    this.#news.tell(info);
    return entry;
  }

  update(entry: SandboxEntry<Box>, change: Partial<SandboxInfo>): void {
    const { services, ...info } = { ...entry.info, ...change };
    const isReached = services !== undefined && info.status === 'running';
    entry.info = isReached ? { ...info, services } : info;
    this.#news.tell(entry.info);
  }

  /** May be called by several who waited for the same end; it is told once. */
  remove(entry: SandboxEntry<Box>): void {
    if (this.#entries.delete(entry.info.id)) this.update(entry, { status: 'deleted' });
  }

  /** @throws SandboxNotFoundError */
  get(id: string): SandboxEntry<Box> {
    const entry = this.#entries.get(id);
    if (entry === undefined)
      throw new SandboxNotFoundError(`there is no sandbox ${id}`, { sandboxId: id });
    return entry;
  }

  /** @throws SandboxNotFoundError, and SandboxError with code `ERR_SANDBOX_OVER` */
  running(id: string): SandboxEntry<Box> {
    const entry = this.get(id);
    if (entry.info.status !== 'running') throw sandboxOver(entry.info);
    return entry;
  }

  list(wanted: SandboxFilter): Observable<SandboxInfo> {
    return new Observable((subscriber) => {
      const infos = [...this.#entries.values()].map(({ info }) => info);
      from(infos.filter((info) => matches(info, wanted))).subscribe(subscriber);
    });
  }

  /** Those there are, then each change; one that no longer matches is told once more, so that it can be removed. */
  watch(wanted: SandboxFilter, listed?: () => void): Observable<SandboxInfo> {
    return this.#news.watch({ isWanted: (info) => matches(info, wanted), listed });
  }
}

/** Where something failed because its sandbox ended, that is the reason to tell. */
function reasonToTell({ info }: Pick<SandboxEntry<unknown>, 'info'>, error: unknown): unknown {
  return info.status === 'running' ? error : sandboxOver(info, error);
}

/** The same for what has to do with a sandbox in another way than by a run. */
export function unlessOver<T>(entry: SandboxEntry<unknown>): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) => throwError(() => reasonToTell(entry, error)));
}

/** The error of what is asked of a sandbox that is over; it says why that is so. */

function sandboxOver(
  { id: sandboxId, status, reason }: SandboxInfo,
  cause?: unknown,
): SandboxError {
  const why = reason === undefined ? '' : ` (${reason})`;
  const message = `sandbox ${sandboxId} is ${status}${why}; create another one`;
  const details = cause === undefined ? { sandboxId } : { sandboxId, cause };
  return new SandboxError('ERR_SANDBOX_OVER', message, details);
}
