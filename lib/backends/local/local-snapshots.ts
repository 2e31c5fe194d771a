import {
  catchError,
  concat,
  defer,
  ignoreElements,
  mergeMap,
  type Observable,
  Subject,
  takeUntil,
  throwError,
} from 'rxjs';
import { SandboxFileError } from '../../process/errors/errors.js';
import { newId } from '../../process/new-id.js';
import type { ProcessEvent } from '../../process/process-event.js';
import type { ExecRequest, SnapshotFilter, SnapshotInfo } from '../../sandbox/backend.js';
import { failInto } from '../../sandbox/fail-into.js';
import { helperOutput, helperRun, type HelperEnd } from '../../sandbox/helper-run.js';
import type { EngineSnapshots, SnapshotSource } from '../../sandbox/sandbox-engine.js';
import type { SandboxSpec } from '../../sandbox/sandbox-spec.js';
import { absolutePath } from '../../sandbox/volumes.js';
import type { LocalBox } from './box.js';
import { madeWhole } from './made-whole.js';
import type { SnapshotStore } from './snapshot-store.js';
import { needTool } from './tools.js';

/** Packs a volume: with the nanoseconds of its files' times, and without what changes by being read. */
const packing = [
  ...['--create', '--file=-', '--format=posix', '--pax-option=delete=atime,delete=ctime'],
  '--sparse',
];

const unpacking = ['--extract', '--file=-', '--preserve-permissions', '--no-same-owner'];

/** Runs a command of ours in a sandbox. */
export type Spawn = (
  box: LocalBox,
  request: ExecRequest,
  purpose?: 'restore',
) => Observable<ProcessEvent>;

/**
 * Snapshots of volumes as tar archives. They are packed and unpacked in the sandboxes alone: what is in them comes from
 * there, and may be meant to harm who unpacks it.
 */
export class LocalSnapshots implements EngineSnapshots<LocalBox> {
  readonly #store: SnapshotStore;
  readonly #spawn: Spawn;

  constructor(store: SnapshotStore, spawn: Spawn) {
    this.#store = store;
    this.#spawn = spawn;
  }

  take(box: LocalBox, { sandboxId, volume }: SnapshotSource): Observable<SnapshotInfo> {
    const { mountPath: path } = volume;
    return this.#store.keep(sandboxId, (paused$) =>
      this.#tar(box, { ...{ sandboxId, path, paused$ }, words: [...packing, '.'] }).pipe(
        helperOutput({ sandboxId, path }, isPacked),
      ),
    );
  }

  get(snapshotId: string): Observable<SnapshotInfo> {
    return this.#store.get(snapshotId);
  }

  list(wanted: SnapshotFilter): Observable<SnapshotInfo> {
    return this.#store.list(wanted);
  }

  delete(snapshotId: string): Observable<never> {
    return this.#store.delete(snapshotId);
  }

  /** The same sandbox when its volumes hold what their snapshots do; where one cannot, nothing is left of it. */
  restored(
    box$: Observable<LocalBox>,
    { id, volumes }: { readonly id: string; readonly volumes: SandboxSpec['volumes'] },
  ): Observable<LocalBox> {
    const wanted = (volumes ?? []).flatMap(({ mountPath: path, snapshotId }) =>
      snapshotId === undefined ? [] : [{ path, snapshotId, sandboxId: id }],
    );
    return concat(
      // Before a sandbox is made for nothing.
      ...wanted.map(({ snapshotId }) => this.get(snapshotId).pipe(ignoreElements())),
      box$.pipe(
        mergeMap((box) => madeWhole(box, concat(...wanted.map((one) => this.#restore(box, one))))),
      ),
    );
  }

  #restore(box: LocalBox, { sandboxId, path, snapshotId }: Restoring): Observable<never> {
    return defer(() => {
      const failure: Subject<never> = new Subject();
      const stdin$ = this.#store.read(snapshotId).pipe(failInto(failure));
      const request: TarRequest = { sandboxId, path, stdin$, purpose: 'restore', words: unpacking };
      return this.#tar(box, request).pipe(
        helperOutput({ sandboxId, snapshotId, path }),
        ignoreElements(),
        catchError((error: unknown) => throwError(() => explained(error, snapshotId))),
        takeUntil(failure),
      );
    });
  }

  #tar(box: LocalBox, { path, words, purpose, ...request }: TarRequest): Observable<ProcessEvent> {
    return defer(() => {
      needTool('tar', 'tar');
      // The sandbox may have options of its own for it.
      const env = { ...helperRun.env, TAR_OPTIONS: '' };
      const command = ['tar', `--directory=${absolutePath(box.home, path)}`, ...words];
      return this.#spawn(box, { ...helperRun, ...request, env, id: newId(), command }, purpose);
    });
  }
}

/** What is unpacked, and where. */
interface Restoring {
  readonly sandboxId: string;
  readonly snapshotId: string;
  readonly path: string;
}

/** A run of `tar` in a volume. */
interface TarRequest
  extends Pick<ExecRequest, 'sandboxId'>, Partial<Pick<ExecRequest, 'stdin$' | 'paused$'>> {
  readonly path: string;
  readonly words: readonly string[];
  readonly purpose?: 'restore';
}

/**
 * GNU tar ends with 1 where a file changed while it was read, and has packed everything. Others do where they do not
 * know an option, and have packed nothing.
 *
 * @see {@link https://www.gnu.org/software/tar/manual/html_node/Synopsis.html | tar's exit statuses}
 */
function isPacked({ returncode, hasOutput }: HelperEnd): boolean {
  return returncode === 0 || (returncode === 1 && hasOutput);
}

/** Why a snapshot was not restored; `tar` says only how much it wrote where a volume became full. */
function explained(error: unknown, snapshotId: string): unknown {
  if (!(error instanceof SandboxFileError) || error.reason !== 'no_space') return error;
  const { path, sandboxId } = error;
  const message = `there is no space for snapshot ${snapshotId}: give the volume more sizeBytes`;
  const details = { path, snapshotId, cause: error, ...(sandboxId !== undefined && { sandboxId }) };
  return new SandboxFileError('no_space', message, details);
}
