import {
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  type AsyncSubject,
  type Observable,
} from 'rxjs';
import {
  DeleteSandboxRequest,
  SnapshotTrigger,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import type { StoredEnding } from '../../wire/generated/sandboxrx/store/v1/store.js';
import { Creations } from '../creations.js';
import type { HostSandbox } from '../host-sandbox.js';
import type { Sandboxes } from '../sandboxes.js';
import type { Journal } from '../store/journal.js';
import { within } from '../within.js';
import { checkVolumeNames } from './check-snapshot.js';
import type { HostSnapshot } from './host-snapshot.js';
import type { Snapshots } from './snapshots.js';

/** How long the snapshots that a sandbox leaves may take, all together. */
const maxTakingMs = 300_000;

/** A deletion of a sandbox that leaves snapshots. */
export interface Ending {
  readonly request: DeleteSandboxRequest;
  /** The name of the token of whoever asked, where the host wants tokens. */
  readonly owner: string | undefined;
  /** Of each volume that was named, in their order. */
  readonly snapshotIds: readonly string[];
  /** Completes when the sandbox can no longer be asked for. */
  readonly forgotten: AsyncSubject<void>;
}

/** Ends sandboxes that leave snapshots of their volumes. */
export class Endings {
  readonly #sandboxes: Sandboxes;
  readonly #journal: Journal;
  readonly #snapshots: Snapshots;
  readonly #creations: Creations<DeleteSandboxRequest, Ending> = new Creations(
    DeleteSandboxRequest,
  );

  constructor({
    sandboxes,
    journal,
    snapshots,
  }: {
    readonly sandboxes: Sandboxes;
    readonly journal: Journal;
    readonly snapshots: Snapshots;
  }) {
    this.#sandboxes = sandboxes;
    this.#journal = journal;
    this.#snapshots = snapshots;
  }

  /** Takes over what a host before this one had. */
  restore(sandbox: HostSandbox, { request, owner, snapshotIds }: StoredEnding): void {
    const { forgotten } = sandbox;
    const asked = request ?? DeleteSandboxRequest.create();
    sandbox.ending = {
      ...{ request: asked, owner: owner === '' ? undefined : owner, snapshotIds, forgotten },
    };
    this.#creations.remember(sandbox.ending);
  }

  /**
   * Begins to end a sandbox: its main command is given time first, then the snapshots are taken, one after the other, and
   * whatever comes of them it is gone. Asked for again, the same snapshots are told.
   *
   * @throws SandboxError where a snapshot cannot be asked for; then nothing has been done
   */
  begin(
    request: DeleteSandboxRequest,
    { owner, graceMs }: Pick<Ending, 'owner'> & { readonly graceMs: number },
  ): Ending {
    this.#snapshots.assertSupported();
    return this.#creations.once(request, owner, () => {
      const sandbox = this.#sandboxes.get(request.sandboxId);
      const { record, forgotten } = sandbox;
      record.assertRunning();
      checkVolumeNames(record, request.snapshotVolumes);
      this.#snapshots.assertRoom(owner, request.snapshotVolumes.length);
      const trigger = SnapshotTrigger.SNAPSHOT_TRIGGER_ON_DELETE;
      const snapshots = request.snapshotVolumes.map((volume) =>
        this.#snapshots.add({ sandbox, volume, trigger, owner }),
      );
      const ending = {
        request,
        owner,
        forgotten,
        snapshotIds: snapshots.map(({ record: { id } }) => id),
      };
      sandbox.ending = ending;
      this.#sandboxes.end(sandbox, { graceMs, last$: this.#taken(snapshots) });
      return ending;
    });
  }

  /** Emits nothing; completes when the records of snapshots would survive a crash, and that they are of this ending. */
  written(sandbox: HostSandbox, snapshotIds: readonly string[]): Observable<never> {
    if (snapshotIds.length === 0) return EMPTY;
    const writes = snapshotIds.map((id) => this.#snapshots.written(id));
    return from(Promise.all([this.#journal.written(sandbox), ...writes])).pipe(ignoreElements());
  }

  #taken(snapshots: readonly HostSnapshot[]): Observable<never> {
    const takes = snapshots.map((snapshot) => this.#snapshots.take(snapshot));
    const rest$ = defer(() => {
      for (const snapshot of snapshots) this.#snapshots.giveUp(snapshot, tooLong);
      return EMPTY;
    });
    return concat(within(maxTakingMs, concat(...takes)), rest$);
  }
}

const tooLong = 'the sandbox was ended before it was taken';
