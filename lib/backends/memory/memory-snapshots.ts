import { defer, EMPTY, from, of, type Observable } from 'rxjs';
import { newId } from '../../process/new-id.js';
import type { SnapshotFilter, SnapshotInfo } from '../../sandbox/backend.js';
import type { EngineSnapshots, SnapshotSource } from '../../sandbox/sandbox-engine.js';
import { noSnapshot, placedVolumes } from '../../sandbox/volumes.js';
import type { MemoryBox } from './memory-backend.js';
import { memoryHome, prefixOf, type MemoryFile } from './memory-files.js';

/** A snapshot and its files, by their paths in the volume. */
interface KeptSnapshot {
  readonly info: SnapshotInfo;
  readonly files: ReadonlyMap<string, MemoryFile>;
}

/** The snapshots of one memory backend. A volume is what lies below its mount path. */
export class MemorySnapshots implements EngineSnapshots<MemoryBox> {
  readonly #kept: Map<string, KeptSnapshot> = new Map();

  /** Makes the volumes of a new sandbox, with what their snapshots hold. */
  mount({ spec, files, now }: MemoryBox): void {
    for (const { path, snapshotId } of placedVolumes(spec.volumes ?? [], memoryHome)) {
      const prefix = prefixOf(path);
      files.set(prefix, { data: new Uint8Array(), modifiedAtMs: now() });
      if (snapshotId === undefined) continue;
      for (const [name, file] of this.#find(snapshotId).files) files.set(prefix + name, file);
    }
  }

  take({ files, now }: MemoryBox, { sandboxId, volume }: SnapshotSource): Observable<SnapshotInfo> {
    return defer(() => {
      const prefix = prefixOf(volume.mountPath);
      const taken = [...files]
        .filter(([path]) => path.startsWith(prefix))
        .map(([path, file]) => [path.slice(prefix.length), file] as const);
      const info: SnapshotInfo = {
        id: `snap-${newId().slice(0, 13)}`,
        sandboxId,
        sizeBytes: taken.reduce((total, [, { data }]) => total + data.length, 0),
        createdAtMs: now(),
      };
      this.#kept.set(info.id, { info, files: new Map(taken) });
      return of(info);
    });
  }

  get(snapshotId: string): Observable<SnapshotInfo> {
    return defer(() => of(this.#find(snapshotId).info));
  }

  list({ sandboxId }: SnapshotFilter): Observable<SnapshotInfo> {
    return defer(() => {
      const infos = [...this.#kept.values()].map(({ info }) => info);
      return from(infos.filter((info) => sandboxId === undefined || info.sandboxId === sandboxId));
    });
  }

  delete(snapshotId: string): Observable<never> {
    return defer(() => {
      if (!this.#kept.delete(snapshotId)) throw noSnapshot(snapshotId);
      return EMPTY;
    });
  }

  #find(snapshotId: string): KeptSnapshot {
    const kept = this.#kept.get(snapshotId);
    if (kept === undefined) throw noSnapshot(snapshotId);
    return kept;
  }
}
