import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  catchError,
  defer,
  ignoreElements,
  mergeMap,
  Observable,
  type MonoTypeOperatorFunction,
} from 'rxjs';
import { messageOf } from '../../process/errors/message-of.js';
import { SandboxError } from '../../process/errors/sandbox-error.js';
import { newId } from '../../process/new-id.js';
import { stdinFrom, type StdinWrite } from '../../process/stdin.js';
import type { SnapshotFilter, SnapshotInfo } from '../../sandbox/backend.js';
import { noSnapshot } from '../../sandbox/volumes.js';
import { errnoOf } from './errno.js';
import { readableOf, type PausableBytes } from './readable-of.js';
import {
  partFile,
  snapshotFile,
  snapshotOf,
  writerOf,
  type NamedSnapshot,
} from './snapshot-names.js';

/** A part that nobody has written to for so long is left over, whoever wrote it. */
const leftOverMs = 86_400_000;

/** How much of a snapshot is read at once. */
const chunkBytes = 262_144;

/**
 * The snapshots in a directory, a file each, which programs may share. One that is being written has another name until
 * it is whole and on the disk, so there are no halves, however a program ends.
 */
export class SnapshotStore {
  readonly #directory: string;
  #opened: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Keeps these bytes, and emits the snapshot when that is done. Unsubscribing before leaves nothing. */
  keep(sandboxId: string, bytes: PausableBytes): Observable<SnapshotInfo> {
    return new Observable<SnapshotInfo>((subscriber) => {
      const left = new AbortController();
      this.#keep(sandboxId, readableOf(bytes, left.signal), (info) => {
        left.signal.throwIfAborted();
        subscriber.next(info);
        subscriber.complete();
      }).catch((error: unknown) => {
        subscriber.error(error);
      });
      return () => {
        left.abort();
      };
    }).pipe(this.#explained());
  }

  get(snapshotId: string): Observable<SnapshotInfo> {
    return this.#asked(async () => this.#info(await this.#find(snapshotId)), snapshotId);
  }

  /** Emits them oldest first. */
  list({ sandboxId }: SnapshotFilter): Observable<SnapshotInfo> {
    return this.#asked(async () => {
      const named = await this.#all();
      const wanted = named.filter((one) => sandboxId === undefined || one.sandboxId === sandboxId);
      // One that is deleted meanwhile is none.
      const infos = await Promise.all(wanted.map((one) => this.#info(one).catch(unlessGone)));
      return infos.filter((info) => info !== undefined);
    }).pipe(mergeMap((infos) => infos));
  }

  delete(snapshotId: string): Observable<never> {
    return this.#asked(async () => {
      const { file } = await this.#find(snapshotId);
      await rm(this.#path(file));
    }, snapshotId).pipe(ignoreElements());
  }

  /** What a snapshot holds, read as it is taken. */
  read(snapshotId: string): Observable<StdinWrite> {
    return this.#asked(() => this.#find(snapshotId), snapshotId).pipe(
      mergeMap(({ file }) =>
        stdinFrom(createReadStream(this.#path(file), { highWaterMark: chunkBytes })),
      ),
      this.#explained(snapshotId),
    );
  }

  /** Removes everything again where `done` is not glad of it. */
  async #keep(
    sandboxId: string,
    bytes: Readable,
    done: (info: SnapshotInfo) => void,
  ): Promise<void> {
    await this.#open();
    const named = { id: `snap-${newId().slice(0, 13)}`, createdAtMs: Date.now(), sandboxId };
    const part = this.#path(partFile(named.id));
    const file = snapshotFile(named);
    try {
      await writeFile(part, bytes, { flag: 'wx', mode: 0o600, flush: true });
      await rename(part, this.#path(file));
      await this.#flushNames();
      done(await this.#info({ ...named, file }));
    } catch (error) {
      for (const left of [part, this.#path(file)]) await rm(left, { force: true });
      throw error;
    }
  }

  /** Makes the directory, and removes what programs that were killed have left in it. */
  async #open(): Promise<void> {
    this.#opened ??= this.#prepare();
    try {
      await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.#directory)) {
      const writer = writerOf(file);
      if (writer === undefined) continue;
      const written = await stat(this.#path(file)).catch(unlessGone);
      const age = Date.now() - (written?.mtimeMs ?? 0);
      if (writer.isGone || age > leftOverMs) await rm(this.#path(file), { force: true });
    }
  }

  /** Oldest first. */
  async #all(): Promise<readonly NamedSnapshot[]> {
    await this.#open();
    return (await readdir(this.#directory))
      .map(snapshotOf)
      .filter((named) => named !== undefined)
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  async #find(snapshotId: string): Promise<NamedSnapshot> {
    const named = (await this.#all()).find(({ id }) => id === snapshotId);
    if (named === undefined) throw noSnapshot(snapshotId);
    return named;
  }

  async #info({ id, sandboxId, createdAtMs, file }: NamedSnapshot): Promise<SnapshotInfo> {
    const { size: sizeBytes } = await stat(this.#path(file));
    return { id, sandboxId, sizeBytes, createdAtMs };
  }

  /** A new name is on the disk when its directory is. */
  async #flushNames(): Promise<void> {
    const directory = await open(this.#directory);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }

  #asked<T>(answer: () => Promise<T>, snapshotId?: string): Observable<T> {
    return defer(answer).pipe(this.#explained(snapshotId));
  }

  /** Says in our words what went wrong with the directory. */
  #explained<T>(snapshotId?: string): MonoTypeOperatorFunction<T> {
    return catchError((cause: unknown) => {
      if (cause instanceof SandboxError) throw cause;
      const errno = errnoOf(cause);
      if (errno === 'ENOENT' && snapshotId !== undefined) throw noSnapshot(snapshotId);
      const isFull = errno === 'ENOSPC' || errno === 'EDQUOT';
      throw new SandboxError(
        isFull ? 'ERR_RESOURCE_EXHAUSTED' : 'ERR_BACKEND_UNAVAILABLE',
        isFull
          ? `there is no room for a snapshot in ${this.#directory}: make some, or choose another snapshotDirectory`
          : `snapshots cannot be kept in ${this.#directory}: ${messageOf(cause)}`,
        { cause },
      );
    });
  }
}

function unlessGone(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
