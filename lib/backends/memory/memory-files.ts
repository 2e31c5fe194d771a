import {
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  of,
  tap,
  toArray,
  type OperatorFunction,
} from 'rxjs';
import { SandboxFileError } from '../../process/errors/errors.js';
import type { StdinWrite } from '../../process/stdin.js';
import type { FileInfo } from '../../sandbox/backend.js';
import type { EngineFiles } from '../../sandbox/sandbox-engine.js';
import { absolutePath } from '../../sandbox/volumes.js';
import type { MemoryBox } from './memory-backend.js';

/** Where relative paths of files begin. */
export const memoryHome = '/home';

function absolute(path: string): string {
  return absolutePath(memoryHome, path);
}

/** The absolute path of a file, where no other one is in the way. */
function reached(files: ReadonlyMap<string, MemoryFile>, path: string): string {
  const whole = absolute(path);
  for (let end = whole.indexOf('/', 1); end !== -1; end = whole.indexOf('/', end + 1)) {
    if (files.has(whole.slice(0, end))) throw notDirectory(path);
  }
  return whole;
}

/**
 * The files of a memory sandbox; a directory is where there are files below it, or where a name that ends with `/` says so.
 */
export const memoryFiles: EngineFiles<MemoryBox> = {
  read: ({ files }, { path }) =>
    defer(() => {
      const file = files.get(reached(files, path));
      if (file !== undefined) return of(file.data);
      if (isDirectory(files, path))
        throw new SandboxFileError('is_directory', 'is a directory', { path });
      throw notFound(path);
    }),

  write: ({ files, now }, { path, data$ }) =>
    data$.pipe(
      gathered(),
      tap((data) => {
        if (isDirectory(files, path))
          throw new SandboxFileError('is_directory', 'is a directory', { path });
        files.set(reached(files, path), { data, modifiedAtMs: now() });
      }),
      ignoreElements(),
    ),

  list: ({ files }, { path }) =>
    defer(() => {
      if (files.has(reached(files, path))) throw notDirectory(path);
      if (!isDirectory(files, path)) throw notFound(path);
      return from(childrenOf(files, path));
    }),

  remove: ({ files }, { path, recursive }) =>
    defer(() => {
      if (files.delete(reached(files, path))) return EMPTY;
      if (!isDirectory(files, path)) throw notFound(path);
      if (!recursive)
        throw new SandboxFileError(
          'is_directory',
          'is a directory; remove it with recursive: true',
          { path },
        );
      for (const name of [...files.keys()]) if (name.startsWith(prefixOf(path))) files.delete(name);
      return EMPTY;
    }),
};

/** A file and when it was last written. */
export interface MemoryFile {
  readonly data: Uint8Array;
  readonly modifiedAtMs: number;
}

/** What the names of all that is in a directory begin with. */
export function prefixOf(path: string): string {
  return `${absolute(path)}/`.replace('//', '/');
}

function isDirectory(files: ReadonlyMap<string, MemoryFile>, path: string): boolean {
  const prefix = prefixOf(path);
  if (prefix === `${memoryHome}/` || prefix === '/') return true;
  return [...files.keys()].some((name) => name.startsWith(prefix));
}

function childrenOf(files: ReadonlyMap<string, MemoryFile>, path: string): readonly FileInfo[] {
  const prefix = prefixOf(path);
  const children: Map<string, FileInfo> = new Map();
  for (const [name, { data, modifiedAtMs }] of files) {
    if (!name.startsWith(prefix)) continue;
    const [child = '', ...below] = name.slice(prefix.length).split('/');
    if (child === '') continue;
    const info: FileInfo =
      below.length > 0
        ? { name: child, type: 'directory', sizeBytes: 0, modifiedAtMs }
        : { name: child, type: 'file', sizeBytes: data.length, modifiedAtMs };
    children.set(child, info);
  }
  return [...children.values()];
}

function notFound(path: string): SandboxFileError {
  return new SandboxFileError('not_found', 'no such file or directory', { path });
}

function notDirectory(path: string): SandboxFileError {
  return new SandboxFileError('not_directory', 'is not a directory', { path });
}

/** All that was written, in one piece. */
function gathered(): OperatorFunction<StdinWrite, Uint8Array> {
  return (source) =>
    source.pipe(
      map((write) => {
        const data = write.data.slice();
        write.accepted();
        return data;
      }),
      toArray(),
      map((chunks) => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))),
    );
}
